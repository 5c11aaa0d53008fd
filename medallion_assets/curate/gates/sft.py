"""Gates of SFT pairs, in the order in which they are asked."""

from __future__ import annotations

from medallion_assets.curate.gates import turns
from medallion_assets.records import Rejected
from medallion_assets.units import Conversation


def no_turns(conversation: Conversation) -> Rejected | None:
    if not conversation.messages:
        return Rejected("no_turns", "the conversation has no turns")
    return None


def missing_turn(conversation: Conversation) -> Rejected | None:
    return turns.missing_role(conversation.messages, "user", "assistant")


def wrong_tool_call(conversation: Conversation) -> Rejected | None:
    return turns.wrong_call(conversation.messages, conversation.tools)


def wrong_role_order(conversation: Conversation) -> Rejected | None:
    return turns.wrong_order(conversation.messages, last=turns.ANSWERED)


def empty_prompt(conversation: Conversation) -> Rejected | None:
    return turns.first_empty(conversation.messages, "user", "empty_prompt")


def empty_output(conversation: Conversation) -> Rejected | None:
    return turns.first_empty(conversation.messages, "assistant", "empty_output")


def nothing_to_learn(conversation: Conversation) -> Rejected | None:
    if not any(message.role == "assistant" and message.train for message in conversation.messages):
        return Rejected("nothing_to_learn", "every assistant turn has weight 0")
    return None


GATES = (
    no_turns,
    missing_turn,
    wrong_tool_call,
    wrong_role_order,
    empty_prompt,
    empty_output,
    nothing_to_learn,
)
