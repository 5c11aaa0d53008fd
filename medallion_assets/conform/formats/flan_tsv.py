r"""FLAN's chains of thought: question, answer and rationale, as TSV without a header line.

FLAN draws each target from many templates; this takes one: "{chain_of_thought}\nThe answer is {answer}."
"""

from __future__ import annotations

from typing import Any

from medallion_assets.conform import fields
from medallion_assets.conform.delivery import Delivery
from medallion_assets.units import Conversation, Message

UNITS = ("sft_pairs",)
COLUMNS = ("question", "answer", "rationale")


def conform(record: Any, delivery: Delivery) -> Conversation:
    row = fields.an_object(record)
    question, rationale = _unescaped(row, "question"), _unescaped(row, "rationale")
    said = f"{rationale}\nThe answer is {fields.text(row, 'answer')}."
    return Conversation([Message("user", question), Message("assistant", said)])


def _unescaped(row: dict[str, Any], key: str) -> str:
    r"""A line feed is spelt "\n", in two characters; as FLAN reads it, that is the only escape."""
    return fields.text(row, key).replace("\\n", "\n")
