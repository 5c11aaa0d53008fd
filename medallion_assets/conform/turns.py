"""Turns of any spelling as messages, and the prompt that a record's turns begin with.

Belongs here: OpenAI and ShareGPT turns, Alpaca's prompt fields, the turns that two answers share. Does not:
which field of a record holds what (formats/), or who may speak after whom (curate/gates/).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from medallion_assets.conform import fields, tools
from medallion_assets.records import Rejected
from medallion_assets.units import Message

PROMPT_KEYS = ("prompt", "instruction", "conversations", "messages")
# A prompt ends with a turn that waits for the assistant.
UNANSWERED = ("user", "tool")
BARE = {"role", "content"}


def openai(turn: dict[str, Any]) -> Message:
    """{"role", "content": text or text parts, "tool_calls"?, "weight" or "loss_weight"?, …}."""
    if turn.keys() == BARE and isinstance(turn["content"], str):  # most turns, in a third of the time
        return Message(fields.role(turn["role"]), turn["content"])
    return Message(
        role=fields.role(turn.get("role")),
        content=_content(turn),
        reasoning_content=fields.optional_text(turn, "reasoning_content", "reasoning", "thinking"),
        tool_calls=tools.calls(turn.get("tool_calls")),
        tool_call_id=fields.optional_text(turn, "tool_call_id"),
        name=fields.optional_text(turn, "name"),
        train=_weight(turn) > 0,
    )


def sharegpt(turn: dict[str, Any]) -> Message:
    """{"from", "value"}; a function_call turn is the assistant's tool call."""
    speaker = turn.get("from", turn.get("role"))
    content = fields.text(turn, "value", "content")
    if speaker == "function_call":
        return Message("assistant", "", tool_calls=tools.one_call(content))
    return Message(fields.role(speaker), content)


def said(value: Any, what: str, *, by: str) -> list[Message]:
    """A text as one turn of this role; a turn; or a list of turns, each of either spelling."""
    if isinstance(value, str):
        return [Message(by, value)]
    if not isinstance(value, dict | list):
        found = fields.json_type(value)
        raise Rejected(
            "wrong_type", f"{what} is a JSON {found}, expected a string, a turn or an array of turns"
        )
    turns = [fields.an_object(turn, f"a turn of {what}") for turn in _listed(value)]
    return [sharegpt(turn) if "from" in turn else openai(turn) for turn in turns]


def asked(row: dict[str, Any]) -> list[Message]:
    """The prompt in the first of PROMPT_KEYS, with Alpaca's system, history and input."""
    key = prompt_key(row)
    if key is None:
        names = " or ".join(map(repr, PROMPT_KEYS))
        raise Rejected("missing_field", f"{names} is missing; found {sorted(row)}")
    question = row[key]
    if key == "instruction" and isinstance(question, str):
        given = fields.optional_text(row, "input")
        question = "\n\n".join(part for part in (question, given) if part)
    return _system(row) + history(row) + said(question, repr(key), by="user")


def history(row: dict[str, Any]) -> list[Message]:
    """Alpaca's earlier turns, in pairs."""
    if row.get("history") is None:
        return []
    messages = []
    for turn in fields.a_list(row, "history"):
        if not (isinstance(turn, list) and len(turn) == 2 and all(isinstance(text, str) for text in turn)):
            raise Rejected(
                "wrong_type", "'history' has a turn that is not a [user, assistant] pair of strings"
            )
        messages += [Message("user", turn[0]), Message("assistant", turn[1])]
    return messages


def shared_prompt(
    first: Sequence[Message], second: Sequence[Message]
) -> tuple[list[Message], list[Message], list[Message]]:
    """The turns that both begin with, and those with which each goes on: one or more."""
    most = min(len(first), len(second)) - 1
    shared = next((place for place in range(most) if first[place] != second[place]), most)
    last = first[shared - 1].role if shared > 0 else "nothing"
    if last not in UNANSWERED:
        detail = (
            f"{max(shared, 0)} shared turns of {len(first)} and {len(second)} end with {last}, expected user"
        )
        raise Rejected("no_shared_prompt", detail)
    return list(first[:shared]), list(first[shared:]), list(second[shared:])


def apart(
    row: dict[str, Any], first: list[Message], second: list[Message]
) -> tuple[list[Message], list[Message], list[Message]]:
    """The prompt and two answers; answers that begin with the prompt's turns are where it is read."""
    if not (_has_prompt(first) and _has_prompt(second)):
        return asked(row), first, second
    shared, first, second = shared_prompt(first, second)
    prompt = shared if shared[0].role == "system" else _system(row) + shared
    key = prompt_key(row)
    told = asked(row) if key is not None and isinstance(row[key], list) else []
    if told != prompt[: len(told)]:
        raise Rejected("no_shared_prompt", f"the answers do not begin with the turns of {key!r}")
    return prompt, first, second


def prompt_key(row: dict[str, Any]) -> str | None:
    """The first of PROMPT_KEYS that the record has."""
    return next((key for key in PROMPT_KEYS if row.get(key) is not None), None)


def _has_prompt(turns: Sequence[Message]) -> bool:
    """Whether these turns begin before the answer."""
    return bool(turns) and turns[0].role in ("system", "user")


def _system(row: dict[str, Any]) -> list[Message]:
    prompt = fields.optional_text(row, "system", "system_prompt")
    return [Message("system", prompt)] if prompt else []


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _content(turn: dict[str, Any]) -> str:
    content = turn.get("content")
    if content is None and turn.get("tool_calls"):
        return ""  # an assistant that only calls a tool says nothing
    if not isinstance(content, list):
        return fields.text(turn, "content")
    return "".join(_part(fields.an_object(part, "a content part")) for part in content)


def _part(part: dict[str, Any]) -> str:
    if part.get("type", "text") != "text":
        raise Rejected(
            "unsupported_content", f"a content part of type {part['type']!r}; only text is supported"
        )
    return fields.text(part, "text", "value")


def _weight(turn: dict[str, Any]) -> float:
    weight = turn.get("weight", turn.get("loss_weight"))
    if weight is None:
        return 1.0
    if isinstance(weight, bool) or weight not in (0, 1):
        raise Rejected("unsupported_weight", f"weight {weight!r}; a turn is learned (1) or not (0)")
    return float(weight)
