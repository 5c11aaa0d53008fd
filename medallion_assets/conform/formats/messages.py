"""OpenAI messages: {"messages": [{"role", "content", "tool_calls"?, …}, …], "tools"?}.

`content` may be a list of text parts. A turn's `weight` or `loss_weight` of 0 keeps it out of the loss.
"""

from __future__ import annotations

from typing import Any

from medallion_assets.conform import fields, tools, turns
from medallion_assets.conform.delivery import Delivery
from medallion_assets.units import Conversation

UNITS = ("sft_pairs",)


def conform(record: Any, delivery: Delivery) -> Conversation:
    row = fields.an_object(record)
    messages = [turns.openai(fields.an_object(turn, "a message")) for turn in fields.a_list(row, "messages")]
    return Conversation(messages, tools=tools.definitions(row.get("tools")), source_id=fields.own_id(row))
