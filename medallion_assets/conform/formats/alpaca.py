"""Alpaca: {"instruction", "input", "output" or "response", "system"?, "history"?: [[user, assistant], …]}."""

from __future__ import annotations

from typing import Any

from medallion_assets.conform import fields
from medallion_assets.conform.delivery import Delivery
from medallion_assets.records import Rejected
from medallion_assets.units import Conversation, Message

UNITS = ("sft_pairs",)


def conform(record: Any, delivery: Delivery) -> Conversation:
    """The instruction and its input make one user turn, an empty line between them."""
    row = fields.an_object(record)
    messages = []
    if system := fields.optional_text(row, "system"):
        messages.append(Message("system", system))
    messages += _history(row)
    instruction = fields.text(row, "instruction")
    given = fields.optional_text(row, "input")
    messages.append(Message("user", "\n\n".join(part for part in (instruction, given) if part)))
    messages.append(Message("assistant", fields.text(row, "output", "response")))
    return Conversation(messages, source_id=fields.own_id(row))


def _history(row: dict[str, Any]) -> list[Message]:
    if row.get("history") is None:
        return []
    messages = []
    for turn in fields.a_list(row, "history"):
        if not (isinstance(turn, list) and len(turn) == 2 and all(isinstance(text, str) for text in turn)):
            raise Rejected(
                "wrong_type", "'history' has a turn that is not a [user, assistant] pair of strings"
            )
        messages += [Message("user", turn[0]), Message("assistant", turn[1])]
    return messages
