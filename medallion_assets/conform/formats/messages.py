"""OpenAI messages: {"messages": [{"role", "content", "tool_calls"?, …}, …], "tools"?}.

`content` may be a list of text parts. A turn's `weight` or `loss_weight` of 0 keeps it out of the loss.
"""

from __future__ import annotations

from typing import Any

import msgspec

from medallion_assets.conform import fields, tools, turns
from medallion_assets.conform.delivery import Delivery
from medallion_assets.conform.plain import Talk, Turn
from medallion_assets.units import Conversation

UNITS = ("sft_pairs",)
PLAIN = msgspec.json.Decoder(dict[str, list[Turn] | str | int | float | bool | None])


def conform(record: Any, delivery: Delivery) -> Conversation:
    row = fields.an_object(record)
    messages = [turns.openai(fields.an_object(turn, "a message")) for turn in fields.a_list(row, "messages")]
    return Conversation(messages, tools=tools.definitions(row.get("tools")), source_id=fields.own_id(row))


def plain(raw: bytes) -> Talk | None:
    """Turns of role and content alone, beside fields that hold texts and numbers."""
    row = PLAIN.decode(raw)
    messages = row.get("messages")
    if not isinstance(messages, list) or row.get("tools") not in (None, []):
        return None
    within = sum([value.count(":") for value in row.values() if isinstance(value, str)])
    return Talk(messages, fields.own_id(row), len(row) + 2 * len(messages) + within)
