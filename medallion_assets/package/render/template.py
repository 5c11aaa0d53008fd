"""Chat templates: a conversation as the text that a trainer would make of it.

Belongs here: stored messages as templates want them, rendering, refusals. Does not: whose text is whose
(turns.py), token ids (encode.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec
from jinja2.exceptions import TemplateError, TemplateSyntaxError

from medallion_assets.package.render.jinja import CLOSE_MARK, OPEN_MARK, compiled
from medallion_assets.records import Rejected

GENERATION_TAG = re.compile(r"\{%[-+]?\s*generation\s*[-+]?%\}")
MARK = re.compile(f"[{OPEN_MARK}{CLOSE_MARK}]")
WRITTEN_KEYS = ("content", "reasoning_content", "tool_calls", "tool_call_id", "name")
TEMPLATE_KEYS = ("role", *WRITTEN_KEYS)

# What a template may raise over a conversation; filters assert.
TEMPLATE_FAULTS = (
    *(TemplateError, ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError),
    *(TypeError, ValueError),
)

Message = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """What a rendering depends on beside the messages. `day` is what a template that asks for today's date
    gets, so that bytes don't follow the clock."""

    tools: str | None
    day: date


class ChatTemplate:
    """One template of one tokenizer. `control_tokens` may not occur in what people or models wrote."""

    def __init__(self, text: str, special_tokens: Mapping[str, str], control_tokens: Sequence[str]) -> None:
        self.text = text
        self.is_marked = bool(GENERATION_TAG.search(text))
        self.control = re.compile("|".join(map(re.escape, control_tokens))) if control_tokens else None
        self._special_tokens = dict(special_tokens)

    def render(self, messages: Sequence[Message], setting: Setting, *, prompt: bool = False) -> str:
        """The text; with `prompt`, up to where the assistant is to speak. Raises Rejected."""
        return self._rendered(messages, setting, prompt=prompt, marking=False)

    def marked(self, messages: Sequence[Message], setting: Setting) -> list[tuple[int, int]] | None:
        """Where in the text the template's generation marks are; none if marking changes the text."""
        text = self._rendered(messages, setting, prompt=False, marking=True)
        if MARK.sub("", text) != self.render(messages, setting):
            return None
        places = [mark.start() - before for before, mark in enumerate(MARK.finditer(text))]
        return list(zip(places[::2], places[1::2], strict=True))

    def refuse_control_tokens(self, texts: Iterable[str | None]) -> None:
        """Raises Rejected if a written text spells one."""
        searches = (self.control.search(text) for text in texts if text) if self.control else ()
        found = next((search.group() for search in searches if search), None)
        if found is not None:
            detail = f"the text spells the control token {found!r}, which would end or fake a turn"
            raise Rejected("control_token_in_text", detail)

    def refuse_more_control_tokens(self, text: str, scaffold: Iterable[str]) -> None:
        """Raises Rejected if the text has more of them than the template wrote."""
        if self.control is None:
            return
        found, known = (len(self.control.findall(each)) for each in (text, "\0".join(scaffold)))
        if found != known:
            detail = "what was written spells a control token together with what stands beside it"
            raise Rejected("control_token_in_text", detail)

    def _rendered(self, messages: Sequence[Message], setting: Setting, *, prompt: bool, marking: bool) -> str:
        try:
            return compiled(self.text, marking=marking).render(
                self._special_tokens,
                messages=messages,
                tools=msgspec.json.decode(setting.tools) if setting.tools else None,
                documents=None,
                add_generation_prompt=prompt,
                strftime_now=setting.day.strftime,
            )
        except TemplateSyntaxError:
            raise  # no fault of the conversation
        except TEMPLATE_FAULTS as error:
            detail = f"the chat template refuses this conversation: {error}"
            raise Rejected("template_refused", detail) from error


def for_template(stored: Mapping[str, Any]) -> Message:
    """A stored message without the keys that it lacks, since templates take a null for a value."""
    message = {key: value for key in TEMPLATE_KEYS if (value := stored.get(key)) is not None}
    if "tool_calls" in message:
        message["tool_calls"] = msgspec.json.decode(message["tool_calls"])
    return with_aliases(message)


def with_written_arguments(messages: Sequence[Message]) -> list[Message]:
    """The arguments of calls as JSON text, which some templates join to other text."""
    return [
        {**message, "tool_calls": [_with_written_arguments(call) for call in message["tool_calls"]]}
        if "tool_calls" in message
        else message
        for message in messages
    ]


def _with_written_arguments(call: Any) -> Any:
    if not isinstance(call, dict):
        return call
    if isinstance(call.get("function"), dict):
        return {**call, "function": _with_written_arguments(call["function"])}
    if isinstance(arguments := call.get("arguments"), dict):
        return {**call, "arguments": json.dumps(arguments, ensure_ascii=False)}
    return call


def with_aliases(message: Message) -> Message:
    """Some templates know the reasoning by another name, which transformers gives it too."""
    if "reasoning_content" in message:
        return {"thinking": message["reasoning_content"], **message}
    return message
