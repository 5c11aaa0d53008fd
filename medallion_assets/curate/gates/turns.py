"""What gates of several units ask about a list of turns: who speaks after whom, and whether anything is said.

Belongs here: questions about turns, each answered by a reject or None. Does not: which unit asks which.
"""

from __future__ import annotations

from collections.abc import Sequence

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


def misplaced_call(messages: Sequence[Message]) -> Rejected | None:
    for place, message in enumerate(messages, start=1):
        if message.tool_calls and message.role != "assistant":
            return Rejected("misplaced_tool_call", f"turn {place} ({message.role}) calls a tool")
    return None


def first_empty(messages: Sequence[Message], role: str, reason: str) -> Rejected | None:
    for place, message in enumerate(messages, start=1):
        if message.role == role and not message.content and not message.tool_calls:
            return Rejected(reason, f"turn {place} ({role}) is empty")
    return None


def _state(message: Message) -> str:
    return "call" if message.tool_calls else message.role
