"""Gates: small pure functions that say why a record must not go on.

Belongs here: one function per fault, each returning a reject or None, in the order they are asked.
Does not: comparing records with each other (dedup.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from medallion_assets.records import Conversation, Message, Rejected

Gate = Callable[[Conversation], Rejected | None]

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
LAST_SPEAKERS = frozenset({"assistant", "call"})


def no_turns(conversation: Conversation) -> Rejected | None:
    if not conversation.messages:
        return Rejected("no_turns", "the conversation has no turns")
    return None


def missing_turn(conversation: Conversation) -> Rejected | None:
    roles = {message.role for message in conversation.messages}
    for role in ("user", "assistant"):
        if role not in roles:
            return Rejected(f"missing_{role}_turn", f"no {role} turn among {len(conversation.messages)}")
    return None


def wrong_role_order(conversation: Conversation) -> Rejected | None:
    before: str | None = None
    for place, message in enumerate(conversation.messages, start=1):
        if message.role not in FOLLOWERS[before]:
            return Rejected(
                "wrong_role_order", f"turn {place} is {message.role} after {before or 'the start'}"
            )
        before = _state(message)
    if before not in LAST_SPEAKERS:
        return Rejected("wrong_role_order", f"the conversation ends with {before}, not with the assistant")
    return None


def misplaced_tool_call(conversation: Conversation) -> Rejected | None:
    for place, message in enumerate(conversation.messages, start=1):
        if message.tool_calls and message.role != "assistant":
            return Rejected("misplaced_tool_call", f"turn {place} ({message.role}) calls a tool")
    return None


def empty_prompt(conversation: Conversation) -> Rejected | None:
    return _first_empty(conversation.messages, "user", "empty_prompt")


def empty_output(conversation: Conversation) -> Rejected | None:
    return _first_empty(conversation.messages, "assistant", "empty_output")


def nothing_to_learn(conversation: Conversation) -> Rejected | None:
    if not any(message.role == "assistant" and message.train for message in conversation.messages):
        return Rejected("nothing_to_learn", "every assistant turn has weight 0")
    return None


SFT_GATES: tuple[Gate, ...] = (
    no_turns,
    missing_turn,
    misplaced_tool_call,
    wrong_role_order,
    empty_prompt,
    empty_output,
    nothing_to_learn,
)


def first_reject(conversation: Conversation, gates: Sequence[Gate]) -> Rejected | None:
    return next((reject for gate in gates if (reject := gate(conversation)) is not None), None)


def _state(message: Message) -> str:
    return "call" if message.tool_calls else message.role


def _first_empty(messages: Sequence[Message], role: str, reason: str) -> Rejected | None:
    for place, message in enumerate(messages, start=1):
        if message.role == role and not message.content and not message.tool_calls:
            return Rejected(reason, f"turn {place} ({role}) is empty")
    return None
