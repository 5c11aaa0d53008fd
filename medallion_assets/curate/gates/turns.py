"""What gates of several units ask about a list of turns: who speaks after whom, and whether anything is said.

Belongs here: questions about turns, each answered by a reject or None. Does not: which unit asks which.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import json

from medallion_assets.records import Rejected
from medallion_assets.units import Message

# Who may speak after whom; None is the start.
FOLLOWERS: dict[str | None, frozenset[str]] = {
    None: frozenset({"system", "user"}),
    "system": frozenset({"user"}),
    "user": frozenset({"assistant"}),
    "assistant": frozenset({"user"}),
    "call": frozenset({"tool"}),
    "tool": frozenset({"tool", "assistant"}),
}
# A conversation may end with the assistant's answer, or with its call where calling is what is taught.
ANSWERED = frozenset({"assistant", "call"})
# A prompt waits for the assistant.
UNANSWERED = frozenset({"user", "tool"})


def missing_role(messages: Sequence[Message], *roles: str) -> Rejected | None:
    present = {message.role for message in messages}
    for role in roles:
        if role not in present:
            return Rejected(f"missing_{role}_turn", f"no {role} turn among {len(messages)}")
    return None


def wrong_order(messages: Sequence[Message], *, last: frozenset[str]) -> Rejected | None:
    before: str | None = None
    for place, message in enumerate(messages, start=1):
        if message.role not in FOLLOWERS[before]:
            return Rejected(
                "wrong_role_order", f"turn {place} is {message.role} after {before or 'the start'}"
            )
        before = _state(message)
    if before not in last:
        return Rejected("wrong_role_order", f"it ends with {before}, not with {' or '.join(sorted(last))}")
    return None


def wrong_call(messages: Sequence[Message], tools: str | None) -> Rejected | None:
    """A call by someone else than the assistant, with arguments that are no object, or to no tool on offer;
    or a result of a call that was not made. Sources that give no tools or no ids are not asked for them.
    """
    ids: set[str] = set()
    for place, message in enumerate(messages, start=1):
        if message.tool_calls:
            if message.role != "assistant":
                return Rejected("misplaced_tool_call", f"turn {place} ({message.role}) calls a tool")
            calls = json.decode(message.tool_calls)
            if reject := _wrong_function([call["function"] for call in calls], _names(tools)):
                return Rejected(reject.reason, f"turn {place}: {reject.detail}")
            ids |= {call["id"] for call in calls if "id" in call}
        elif message.tool_call_id is not None and ids and message.tool_call_id not in ids:
            return Rejected(
                "unknown_tool_call_id", f"turn {place} answers {message.tool_call_id!r}; calls: {sorted(ids)}"
            )
    return None


def first_empty(messages: Sequence[Message], role: str, reason: str) -> Rejected | None:
    for place, message in enumerate(messages, start=1):
        if message.role == role and not message.content and not message.tool_calls:
            return Rejected(reason, f"turn {place} ({role}) is empty")
    return None


def _wrong_function(functions: Sequence[dict[str, Any]], names: frozenset[str] | None) -> Rejected | None:
    for function in functions:
        name, arguments = function["name"], function["arguments"]
        if not isinstance(arguments, dict):
            found = type(arguments).__name__
            return Rejected(
                "invalid_tool_call", f"the arguments of {name!r} are a {found}, expected an object"
            )
        if names is not None and name not in names:
            return Rejected("unknown_tool", f"it calls {name!r}; tools: {', '.join(sorted(names))}")
    return None


def _names(tools: str | None) -> frozenset[str] | None:
    """The names of the tools on offer; None where there are none, or one has no name that we know of."""
    if tools is None:
        return None
    functions = [tool.get("function", tool) for tool in json.decode(tools)]
    names = [function.get("name") if isinstance(function, dict) else None for function in functions]
    return frozenset(map(str, names)) if all(isinstance(name, str) for name in names) else None


def _state(message: Message) -> str:
    return "call" if message.tool_calls else message.role
