"""OpenAI messages: {"messages": [{"role", "content", "tool_calls"?, …}, …], "tools"?}.

`content` may be a list of text parts. A turn's `weight` or `loss_weight` of 0 keeps it out of the loss.
"""

from __future__ import annotations

from typing import Any

from medallion_assets.conform import fields, tools
from medallion_assets.records import Conversation, Message, Rejected

UNIT = "sft_pairs"


def conform(record: Any) -> Conversation:
    row = fields.an_object(record)
    messages = [_message(fields.an_object(turn, "a message")) for turn in fields.a_list(row, "messages")]
    return Conversation(messages, tools=tools.definitions(row.get("tools")), source_id=fields.own_id(row))


def _message(turn: dict[str, Any]) -> Message:
    return Message(
        role=fields.role(turn.get("role")),
        content=_content(turn),
        reasoning_content=fields.optional_text(turn, "reasoning_content", "reasoning", "thinking"),
        tool_calls=tools.calls(turn.get("tool_calls")),
        tool_call_id=fields.optional_text(turn, "tool_call_id"),
        name=fields.optional_text(turn, "name"),
        train=_weight(turn) > 0,
    )


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
