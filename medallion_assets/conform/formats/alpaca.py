"""Alpaca: {"instruction", "input", "output" or "response", "system"?, "history"?: [[user, assistant], …]}."""

from __future__ import annotations

from typing import Any

from medallion_assets.conform import fields, turns
from medallion_assets.conform.delivery import Delivery
from medallion_assets.units import Conversation, Message

UNITS = ("sft_pairs",)


def conform(record: Any, delivery: Delivery) -> Conversation:
    """The instruction and its input make one user turn, an empty line between them."""
    row = fields.an_object(record)
    messages = []
    if system := fields.optional_text(row, "system"):
        messages.append(Message("system", system))
    messages += turns.history(row)
    instruction = fields.text(row, "instruction")
    given = fields.optional_text(row, "input")
    messages.append(Message("user", "\n\n".join(part for part in (instruction, given) if part)))
    messages.append(Message("assistant", fields.text(row, "output", "response")))
    return Conversation(messages, source_id=fields.own_id(row))
