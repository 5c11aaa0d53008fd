"""ShareGPT: {"conversations": [{"from": "human", "value": …}, …], "system"?, "tools"?: JSON text}."""

from __future__ import annotations

from typing import Any

from medallion_assets.conform import fields, tools, turns
from medallion_assets.conform.delivery import Delivery
from medallion_assets.units import Conversation, Message

UNITS = ("sft_pairs",)


def conform(record: Any, delivery: Delivery) -> Conversation:
    """Turns by `from`; a function_call turn becomes the assistant's tool call."""
    row = fields.an_object(record)
    given = fields.a_list(row, "conversations")
    messages = [Message("system", system)] if (system := fields.optional_text(row, "system")) else []
    messages += [turns.sharegpt(fields.an_object(turn, "a turn")) for turn in given]
    return Conversation(messages, tools=tools.definitions(row.get("tools")), source_id=fields.own_id(row))
