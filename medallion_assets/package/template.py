"""Chat templates: a conversation as text, with the character spans that the assistant is to learn.

Belongs here: rendering and spans, for templates with generation marks and without. Does not: token ids
(encode.py). Rendering itself is transformers', so that the text is what a trainer's would be.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

import msgspec

from medallion_assets.conform.record import Rejected

GENERATION_MARK = re.compile(r"\{%-?\s*generation\s*-?%\}")
# What only the pipeline reads of a stored message.
INTERNAL_KEYS = frozenset({"train"})

Message = dict[str, Any]


@dataclass(frozen=True)
class Rendered:
    """A conversation's text; `spans` are [start, end) of the turns to learn, end mark included."""

    text: str
    spans: list[tuple[int, int]]


class ChatTemplate:
    """One template of one tokenizer. `control_tokens` may not occur in what people or models wrote."""

    def __init__(self, text: str, special_tokens: Mapping[str, str], control_tokens: Sequence[str]) -> None:
        self._text = text
        self._special_tokens = dict(special_tokens)
        self._marked = GENERATION_MARK.search(text) is not None
        self._control = re.compile("|".join(map(re.escape, control_tokens))) if control_tokens else None

    def render(self, stored: Sequence[Mapping[str, Any]], tools: str | None, day: date) -> Rendered:
        """Renders stored messages; raises Rejected where the spans can't be established.

        `day` is what a template that asks for today's date gets, so that bytes don't follow the clock.
        """
        self._refuse_control_tokens(stored, tools)
        messages = [_for_template(message) for message in stored]
        learned = [message["train"] for message in stored if message["role"] == "assistant"]
        known = {**self._special_tokens, "strftime_now": day.strftime}
        definitions = msgspec.json.decode(tools) if tools else None
        text, spans = self._spans(messages, definitions, known)
        if len(spans) != len(learned):
            detail = f"the template marks {len(spans)} spans for {len(learned)} assistant turns"
            raise Rejected("mask_unclear", detail)
        return Rendered(text, [span for span, learn in zip(spans, learned, strict=True) if learn])

    def _spans(
        self, messages: list[Message], tools: list[Any] | None, known: dict[str, Any]
    ) -> tuple[str, list[tuple[int, int]]]:
        if self._marked:
            return self._render(messages, tools, known, marks=True)
        text, _ = self._render(messages, tools, known)
        return text, [
            self._span_by_prefix(text, messages, place, tools, known)
            for place, message in enumerate(messages)
            if message["role"] == "assistant"
        ]

    def _span_by_prefix(
        self, text: str, messages: list[Message], place: int, tools: list[Any] | None, known: dict[str, Any]
    ) -> tuple[int, int]:
        """Where the turn begins and ends, if the whole text begins with what comes before and up to it."""
        before, _ = self._render(messages[:place], tools, known, prompt=True)
        upto, _ = self._render(messages[: place + 1], tools, known)
        if not (text.startswith(before) and text.startswith(upto) and upto.startswith(before)):
            raise Rejected("mask_unclear", f"the template rewrites what precedes turn {place + 1}")
        return len(before), len(upto.rstrip()) if len(upto.rstrip()) > len(before) else len(upto)

    def _render(
        self,
        messages: list[Message],
        tools: list[Any] | None,
        known: dict[str, Any],
        *,
        marks: bool = False,
        prompt: bool = False,
    ) -> tuple[str, list[tuple[int, int]]]:
        from jinja2.exceptions import TemplateError

        try:
            texts, spans = _renderer()(
                [messages],
                tools=tools,
                chat_template=self._text,
                return_assistant_tokens_mask=marks,
                add_generation_prompt=prompt,
                **known,
            )
        except TemplateError as error:
            raise Rejected(
                "template_refused", f"the chat template refuses this conversation: {error}"
            ) from error
        return texts[0], spans[0] if marks else []

    def _refuse_control_tokens(self, stored: Sequence[Mapping[str, Any]], tools: str | None) -> None:
        if self._control is None:
            return
        texts = [message[key] for message in stored for key in ("content", "reasoning_content", "tool_calls")]
        for text in (*texts, tools):
            if text and (found := self._control.search(text)):
                detail = (
                    f"the text spells the control token {found.group()!r}, which would end or fake a turn"
                )
                raise Rejected("control_token_in_text", detail)


def _for_template(message: Mapping[str, Any]) -> Message:
    """Without the keys that the message lacks, since templates take a null for a value."""
    known = {key: value for key, value in message.items() if value is not None and key not in INTERNAL_KEYS}
    if "tool_calls" in known:
        known["tool_calls"] = msgspec.json.decode(known["tool_calls"])
    return known


@cache
def _renderer() -> Callable[..., Any]:
    """transformers' renderer, imported late since it is slow, and without its advice on missing PyTorch."""
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    from transformers.utils.chat_template_utils import render_jinja_template

    return render_jinja_template
