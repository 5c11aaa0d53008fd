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

from medallion_assets.conform.record import Rejected
from medallion_assets.package.tokenizer import TokenizerError

GENERATION_MARK = re.compile(r"\{%-?\s*generation\s*-?%\}")
# Where transformers places marks wrongly, silently: it takes what is captured for what is written already.
CAPTURING = re.compile(r"\{%[-+]?\s*(macro|call|filter|set\s[^=%]*%)|\brecursive\s*-?%\}")
CLOCK_READING = re.compile(r"strftime_now\(\s*(\"[^\"\\]*\"|'[^'\\]*')\s*\)")
# What only the pipeline reads of a stored message.
INTERNAL_KEYS = frozenset({"train"})
WRITTEN_KEYS = ("content", "reasoning_content", "tool_calls", "tool_call_id", "name")

Message = dict[str, Any]


@dataclass(frozen=True)
class Rendered:
    """A conversation's text; `spans` are [start, end) of the turns to learn, end mark included."""

    text: str
    spans: list[tuple[int, int]]


class ChatTemplate:
    """One template of one tokenizer. `control_tokens` may not occur in what people or models wrote."""

    def __init__(self, text: str, special_tokens: Mapping[str, str], control_tokens: Sequence[str]) -> None:
        if "strftime_now(" in CLOCK_READING.sub("", text):
            raise TokenizerError("the chat template asks for the time in a format that is not spelt out")
        self._text = text
        self._special_tokens = dict(special_tokens)
        self._marked = bool(GENERATION_MARK.search(text)) and not CAPTURING.search(text)
        self._control = re.compile("|".join(map(re.escape, control_tokens))) if control_tokens else None

    def render(self, stored: Sequence[Mapping[str, Any]], tools: str | None, day: date) -> Rendered:
        """Renders stored messages; raises Rejected where the spans can't be established.

        `day` is what a template that asks for today's date gets, so that bytes don't follow the clock.
        """
        self._refuse_control_tokens(stored, tools)
        messages = [_for_template(message) for message in stored]
        learned = [message["train"] for message in stored if message["role"] == "assistant"]
        definitions = msgspec.json.decode(tools) if tools else None
        text, spans = self._spans(messages, definitions, day)
        if len(spans) != len(learned):
            detail = f"the template marks {len(spans)} spans for {len(learned)} assistant turns"
            raise Rejected("mask_unclear", detail)
        return Rendered(text, [span for span, learn in zip(spans, learned, strict=True) if learn])

    def _spans(
        self, messages: list[Message], tools: list[Any] | None, day: date
    ) -> tuple[str, list[tuple[int, int]]]:
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
    ) -> tuple[int, int]:
        """Where the turn begins and ends, if the whole text begins with what comes before and up to it."""
        before, _ = self._render(messages[:place], tools, day, prompt=True)
        upto, _ = self._render(messages[: place + 1], tools, day)
        if not (text.startswith(before) and text.startswith(upto) and upto.startswith(before)):
            raise Rejected("mask_unclear", f"the template rewrites what precedes turn {place + 1}")
        return len(before), len(upto.rstrip()) if len(upto.rstrip()) > len(before) else len(upto)

    def _render(
        self,
        messages: list[Message],
        tools: list[Any] | None,
        day: date,
        *,
        marks: bool = False,
        prompt: bool = False,
    ) -> tuple[str, list[tuple[int, int]]]:
        from jinja2.exceptions import TemplateError, TemplateSyntaxError

        try:
            texts, spans = _renderer()(
                [messages],
                tools=tools,
                chat_template=_dated(self._text, day),
                return_assistant_tokens_mask=marks,
                add_generation_prompt=prompt,
                **self._special_tokens,
            )
        except TemplateSyntaxError:
            raise  # no fault of the conversation
        except (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise Rejected(
                "template_refused", f"the chat template refuses this conversation: {error}"
            ) from error
        return texts[0], spans[0] if marks else []

    def _refuse_control_tokens(self, stored: Sequence[Mapping[str, Any]], tools: str | None) -> None:
        if self._control is None:
            return
        texts = [message[key] for message in stored for key in WRITTEN_KEYS]
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
