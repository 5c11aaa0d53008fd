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
from functools import cache, lru_cache
from typing import Any

import msgspec

from medallion_assets.package.tokenizer import TokenizerError
from medallion_assets.records import Rejected

GENERATION_MARK = re.compile(r"\{%-?\s*generation\s*-?%\}")
# Where transformers places marks wrongly, silently: it takes what is captured for what is written already.
CAPTURING = re.compile(r"\{%[-+]?\s*(macro|call|filter|set\s[^=%]*%)|\brecursive\s*-?%\}")
CLOCK_READING = re.compile(r"strftime_now\(\s*(\"[^\"\\]*\"|'[^'\\]*')\s*\)")
# What only the pipeline reads of a stored message.
INTERNAL_KEYS = frozenset({"train"})
WRITTEN_KEYS = ("content", "reasoning_content", "tool_calls", "tool_call_id", "name")

Message = dict[str, Any]
Span = tuple[int, int]


@dataclass(frozen=True)
class Rendered:
    """A conversation's text; `spans` are [start, end) of the turns to learn, end mark included."""

    text: str
    spans: list[Span]


class ChatTemplate:
    """One template of one tokenizer. `control_tokens` may not occur in what people or models wrote."""

    def __init__(self, text: str, special_tokens: Mapping[str, str], control_tokens: Sequence[str]) -> None:
        if "strftime_now(" in CLOCK_READING.sub("", text):
            raise TokenizerError("the chat template asks for the time in a format that is not spelt out")
        self._text = text
        self._special_tokens = dict(special_tokens)
        self._marked = bool(GENERATION_MARK.search(text)) and not CAPTURING.search(text)
        self._control = re.compile("|".join(map(re.escape, control_tokens))) if control_tokens else None

    def render_batch(self, rows: Sequence[Mapping[str, Any]]) -> list[Rendered | Rejected]:
        """render() of each silver row; rows without tools pass the renderer together, at half the cost."""
        together = self._rendered_together(rows)
        return [together.get(place) or self._rendered_alone(row) for place, row in enumerate(rows)]

    def render_prompts(self, rows: Sequence[Mapping[str, Any]]) -> list[Rendered | Rejected]:
        """The `prompt` of each silver row, up to where the assistant is to speak."""
        return [self._prompt_alone(row) for row in rows]

    def render(self, stored: Sequence[Mapping[str, Any]], tools: str | None, day: date) -> Rendered:
        """Renders stored messages; raises Rejected where the spans can't be established.

        `day` is what a template that asks for today's date gets, so that bytes don't follow the clock.
        """
        self._refuse_control_tokens(stored, tools)
        messages = [_for_template(message) for message in stored]
        text, spans = self._spans(messages, msgspec.json.decode(tools) if tools else None, day)
        return _with_learned_spans(text, spans, stored)

    def _prompt_alone(self, row: Mapping[str, Any]) -> Rendered | Rejected:
        stored, tools = row["prompt"], row["tools"]
        try:
            self._refuse_control_tokens(stored, tools)
            messages = [_for_template(message) for message in stored]
            offered = msgspec.json.decode(tools) if tools else None
            text, _ = self._render(messages, offered, row["landing_date"], prompt=True)
        except Rejected as reject:
            return reject
        return Rendered(text, [])

    def _rendered_alone(self, row: Mapping[str, Any]) -> Rendered | Rejected:
        try:
            return self.render(row["messages"], row["tools"], row["landing_date"])
        except Rejected as reject:
            return reject

    def _rendered_together(self, rows: Sequence[Mapping[str, Any]]) -> dict[int, Rendered]:
        """By place, the rows that one call renders; none if it refuses one, which then shows when alone."""
        days = {row["landing_date"] for row in rows}
        if not self._marked or len(days) != 1:
            return {}
        plain = [row["tools"] is None and self._control_token(row["messages"], None) is None for row in rows]
        places = [place for place, is_plain in enumerate(plain) if is_plain]
        messages = [[_for_template(message) for message in rows[place]["messages"]] for place in places]
        try:
            rendered = self._render_all(messages, None, days.pop(), marks=True)
            return {
                place: _with_learned_spans(text, spans, rows[place]["messages"])
                for place, (text, spans) in zip(places, rendered, strict=True)
            }
        except Rejected:
            return {}

    def _spans(self, messages: list[Message], tools: list[Any] | None, day: date) -> tuple[str, list[Span]]:
        if self._marked:
            return self._render(messages, tools, day, marks=True)
        text, _ = self._render(messages, tools, day)
        return text, [
            self._span_by_prefix(text, messages, place, tools, day)
            for place, message in enumerate(messages)
            if message["role"] == "assistant"
        ]

    def _span_by_prefix(
        self, text: str, messages: list[Message], place: int, tools: list[Any] | None, day: date
    ) -> Span:
        """Where the turn begins and ends, if the whole text begins with what comes before and up to it."""
        before, _ = self._render(messages[:place], tools, day, prompt=True)
        upto, _ = self._render(messages[: place + 1], tools, day)
        if not (text.startswith(before) and text.startswith(upto) and upto.startswith(before)):
            raise Rejected("mask_unclear", f"the template rewrites what precedes turn {place + 1}")
        return len(before), len(upto.rstrip()) if len(upto.rstrip()) > len(before) else len(upto)

    def _render(
        self, messages: list[Message], tools: list[Any] | None, day: date, **how: bool
    ) -> tuple[str, list[Span]]:
        (rendered,) = self._render_all([messages], tools, day, **how)
        return rendered

    def _render_all(
        self,
        conversations: list[list[Message]],
        tools: list[Any] | None,
        day: date,
        *,
        marks: bool = False,
        prompt: bool = False,
    ) -> list[tuple[str, list[Span]]]:
        from jinja2.exceptions import TemplateError, TemplateSyntaxError

        try:
            texts, spans = _renderer()(
                conversations,
                tools=tools,
                chat_template=_dated(self._text, day),
                return_assistant_tokens_mask=marks,
                add_generation_prompt=prompt,
                **self._special_tokens,
            )
        except TemplateSyntaxError:
            raise  # no fault of the conversation
        except (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            detail = f"the chat template refuses this conversation: {error}"
            raise Rejected("template_refused", detail) from error
        return list(zip(texts, spans if marks else [[] for _ in texts], strict=True))

    def _refuse_control_tokens(self, stored: Sequence[Mapping[str, Any]], tools: str | None) -> None:
        if (found := self._control_token(stored, tools)) is not None:
            detail = f"the text spells the control token {found!r}, which would end or fake a turn"
            raise Rejected("control_token_in_text", detail)

    def _control_token(self, stored: Sequence[Mapping[str, Any]], tools: str | None) -> str | None:
        """The first control token that a written text spells, if any."""
        if self._control is None:
            return None
        texts = (message[key] for message in stored for key in WRITTEN_KEYS)
        searches = (self._control.search(text) for text in (*texts, tools) if text)
        return next((found.group() for found in searches if found), None)


def _with_learned_spans(text: str, spans: list[Span], stored: Sequence[Mapping[str, Any]]) -> Rendered:
    learned = [message["train"] for message in stored if message["role"] == "assistant"]
    if len(spans) != len(learned):
        detail = f"the template marks {len(spans)} spans for {len(learned)} assistant turns"
        raise Rejected("mask_unclear", detail)
    return Rendered(text, [span for span, learn in zip(spans, learned, strict=True) if learn])


def _for_template(message: Mapping[str, Any]) -> Message:
    """Without the keys that the message lacks, since templates take a null for a value."""
    known = {key: value for key, value in message.items() if value is not None and key not in INTERNAL_KEYS}
    if "tool_calls" in known:
        known["tool_calls"] = msgspec.json.decode(known["tool_calls"])
    return known


@lru_cache(maxsize=16)
def _dated(template: str, day: date) -> str:
    """The template with its readings of the clock answered; transformers lets no function be passed in."""
    return CLOCK_READING.sub(lambda call: repr(day.strftime(call[1][1:-1])), template)


@cache
def _renderer() -> Callable[..., Any]:
    """transformers' renderer, imported late since it is slow, and without its advice on missing PyTorch."""
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    from transformers.utils.chat_template_utils import render_jinja_template

    return render_jinja_template
