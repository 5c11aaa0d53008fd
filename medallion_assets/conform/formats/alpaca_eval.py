"""AlpacaEval annotations: {"instruction", "output_1", "output_2", "preference": 1 (first) to 2 (second)}."""

from __future__ import annotations

from typing import Any

from medallion_assets.conform import fields, turns, votes
from medallion_assets.conform.delivery import Delivery
from medallion_assets.records import Rejected
from medallion_assets.units import Message, Preference

UNITS = ("preference_triples",)
OPTIONS = ("ties",)
UNDECIDED = 1.5
# Older annotators wrote a tie as 0.
OLD_UNDECIDED = 0


def conform(record: Any, delivery: Delivery) -> Preference:
    """The margin is the difference of the two outputs' probabilities of being preferred."""
    row = fields.an_object(record)
    first, second = ([Message("assistant", fields.text(row, key))] for key in ("output_1", "output_2"))
    preference = _preference(row)
    if preference == UNDECIDED:
        votes.keep_tie("'preference' is undecided", delivery.options)
    chosen, rejected = (second, first) if preference > UNDECIDED else (first, second)
    margin = abs(2 * preference - 3)
    return Preference(turns.asked(row), chosen, rejected, margin=margin, source_id=fields.own_id(row))


def _preference(row: dict[str, Any]) -> float:
    preference = fields.number(row.get("preference"), "'preference'")
    if preference is None:
        raise Rejected("unanswered", "'preference' is missing or null: the annotator gave none")
    if preference == OLD_UNDECIDED:
        return UNDECIDED
    if not 1 <= preference <= 2:
        raise Rejected("invalid_preference", f"'preference' is {preference:g}, expected 1 to 2")
    return preference
