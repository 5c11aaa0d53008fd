"""Stored conversations as texts with the spans that the assistant is to learn.

Belongs here: what is learned of a conversation, by the template's real rendering. Does not: how turns are
told apart (turns.py), token ids (encode.py).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medallion_assets.package.render.template import (
    WRITTEN_KEYS,
    ChatTemplate,
    Message,
    Setting,
    for_template,
    with_written_arguments,
)
from medallion_assets.package.render.turns import Span, Turn, Veiled, turns_of
from medallion_assets.package.render.veil import PREFIX, Rendering, Veil, places, scaffold_of, veiled
from medallion_assets.records import Rejected

LAYOUTS_KEPT = 4096
# Everything behind placeholders gives layouts that many conversations share; where what the user wrote
# decides what the template does, only the assistant's words are.
VEILS: tuple[Callable[[str], bool], ...] = (lambda role: True, lambda role: role == "assistant")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A conversation's text, and its spans in bytes of UTF-8. `unshown` turns were to be learned, but the
    template shows less of them than was said."""

    text: str
    spans: Sequence[Span] = ()
    unshown: int = 0


@dataclass(frozen=True)
class Layout:
    """What a template makes of conversations of one form."""

    whole: Rendering
    turns: tuple[Turn, ...]

    def spans(self, found: Sequence[tuple[int, int]], learned: Collection[int]) -> list[Span]:
        """The learned turns' spans, in a text that shows what was written at the places `found`."""
        ends = [0, *(shown.end for shown in self.whole.shown)]
        moved = [0, *(end for _, end in found)]

        def moved_to(at: int) -> int:
            piece = bisect_right(ends, at) - 1
            return moved[piece] + at - ends[piece]

        return [
            Span(*map(moved_to, span))
            for turn in self.turns
            if turn.message in learned
            for span in turn.spans
        ]


def not_shown() -> Rejected:
    detail = "the template shows less of the assistant's turns than was said, and nothing else is to learn"
    return Rejected("turn_not_shown", detail)


class Renderer:
    """Renders conversations with one template, and remembers the layouts that it has seen."""

    def __init__(self, template: ChatTemplate) -> None:
        self._template = template
        self._layouts: dict[tuple[str, Setting], Layout] = {}

    def talk(self, stored: Sequence[Mapping[str, Any]], setting: Setting) -> Rendered:
        """Raises Rejected where the text or its spans can't be established."""
        messages, text = self._rendered(self._messages(stored, setting), setting)
        layout, found = self._fitting(messages, setting, text)
        self._template.refuse_more_control_tokens(text, scaffold_of(layout.whole))
        wanted = {number for number, message in enumerate(stored) if message.get("train")}
        spans = layout.spans(found, wanted)
        unshown = sum(turn.message in wanted and not turn.spans for turn in layout.turns)
        if unshown and not spans:
            raise not_shown()
        return Rendered(text, _in_bytes(text, spans), unshown)

    def prompt(self, stored: Sequence[Mapping[str, Any]], setting: Setting) -> Rendered:
        """Up to where the assistant is to speak; nothing of it is learned."""
        return Rendered(self._rendered(self._messages(stored, setting), setting, prompt=True)[1])

    def _rendered(
        self, messages: list[Message], setting: Setting, *, prompt: bool = False
    ) -> tuple[list[Message], str]:
        """With the arguments of calls as the template can take them."""
        try:
            return messages, self._template.render(messages, setting, prompt=prompt)
        except Rejected:
            written = with_written_arguments(messages)
            if written == messages:
                raise
            return written, self._template.render(written, setting, prompt=prompt)

    def _messages(self, stored: Sequence[Mapping[str, Any]], setting: Setting) -> list[Message]:
        written = (message.get(key) for message in stored for key in WRITTEN_KEYS)
        self._template.refuse_control_tokens((*written, setting.tools))
        return [for_template(message) for message in stored]

    def _fitting(
        self, messages: Sequence[Message], setting: Setting, text: str
    ) -> tuple[Layout, list[tuple[int, int]]]:
        """The layout that this very text has, and where it shows what was written."""
        refusal = Rejected("mask_unclear", "the template changes what was written")
        for roles in VEILS:
            veil = veiled(messages, self._template.text, roles=roles)
            if PREFIX in (setting.tools or "") or not veil.is_unmistakable():
                refusal = Rejected("mask_unclear", f"the record spells {PREFIX!r}, as placeholders do")
                continue
            try:
                layout = self._layout(veil, setting)
            except Rejected as reject:
                refusal = reject
                continue
            found = places(layout.whole, veil.texts, text)
            if found is not None:
                return layout, found
        raise refusal

    def _layout(self, veil: Veil, setting: Setting) -> Layout:
        key = (repr(veil.messages), setting)
        if key not in self._layouts:
            if len(self._layouts) == LAYOUTS_KEPT:
                self._layouts.clear()
            talk = Veiled(self._template, veil.messages, veil.owners, setting)
            whole = talk.rendered(len(veil.messages))
            self._layouts[key] = Layout(whole, tuple(turns_of(talk, whole)))
        return self._layouts[key]


def _in_bytes(text: str, spans: Sequence[Span]) -> Sequence[Span]:
    if text.isascii():
        return spans
    return [Span(*(len(text[:at].encode()) for at in span)) for span in spans]
