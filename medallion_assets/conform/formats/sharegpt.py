"""ShareGPT: {"conversations": [{"from": "human", "value": …}, …], "system"?, "tools"?: JSON text}."""

from __future__ import annotations

from typing import Any

from medallion_assets.conform import fields, tools
from medallion_assets.records import Conversation, Message

UNIT = "sft_pairs"


def conform(record: Any) -> Conversation:
    """Turns by `from`; a function_call turn becomes the assistant's tool call."""
    row = fields.an_object(record)
    turns = fields.a_list(row, "conversations")
    messages = [Message("system", system)] if (system := fields.optional_text(row, "system")) else []
    messages += [_message(fields.an_object(turn, "a turn")) for turn in turns]
    return Conversation(messages, tools=tools.definitions(row.get("tools")), source_id=fields.own_id(row))


def _message(turn: dict[str, Any]) -> Message:
    speaker = turn.get("from", turn.get("role"))
    content = fields.text(turn, "value", "content")
    if speaker == "function_call":
        return Message("assistant", "", tool_calls=tools.one_call(content))
    return Message(fields.role(speaker), content)
