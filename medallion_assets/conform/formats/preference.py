"""Pairs: {"prompt", "chosen", "rejected", "score_chosen"?, "score_rejected"?, "system"?, "tools"?}.

Each side is a text, a turn or a list of turns; lists may begin with the prompt's turns, as Tulu's do. The
prompt may be LLaMA-Factory's `conversations`, or Alpaca's instruction and input.
"""

from __future__ import annotations

from typing import Any

from medallion_assets.conform import fields, tools, turns
from medallion_assets.conform.delivery import Delivery
from medallion_assets.records import Rejected
from medallion_assets.units import Message, Preference

UNITS = ("preference_triples",)


def conform(record: Any, delivery: Delivery) -> Preference:
    row = fields.an_object(record)
    prompt, chosen, rejected = turns.apart(row, _side(row, "chosen"), _side(row, "rejected"))
    chosen_score, rejected_score = _score(row, "chosen"), _score(row, "rejected")
    return Preference(
        prompt,
        chosen,
        rejected,
        tools=tools.definitions(row.get("tools")),
        chosen_score=chosen_score,
        rejected_score=rejected_score,
        margin=None if chosen_score is None or rejected_score is None else chosen_score - rejected_score,
        source_id=fields.own_id(row),
    )


def _side(row: dict[str, Any], side: str) -> list[Message]:
    if side not in row:
        raise Rejected("missing_field", f"{side!r} is missing; found {sorted(row)}")
    return turns.said(row[side], repr(side), by="assistant")


def _score(row: dict[str, Any], side: str) -> float | None:
    keys = (f"score_{side}", f"{side}_score", f"{side}_rating")
    found = next((key for key in keys if row.get(key) is not None), None)
    return None if found is None else fields.number(row[found], repr(found))
