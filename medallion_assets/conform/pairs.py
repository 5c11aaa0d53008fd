"""Pairs that a source made itself: a prompt with `chosen` and `rejected`, and maybe the scores of both.

Belongs here: what the formats of such pairs share. Does not: making pairs of votes or scores (votes.py).
"""

from __future__ import annotations

from typing import Any

from medallion_assets.conform import fields, tools, turns, votes
from medallion_assets.conform.delivery import Options
from medallion_assets.records import Rejected
from medallion_assets.units import Message, Preference


def ready_pair(row: dict[str, Any], options: Options) -> Preference:
    """The pair as it is; equal scores are a tie, whichever was called chosen."""
    prompt, chosen, rejected = turns.apart(row, _side(row, "chosen"), _side(row, "rejected"))
    better, worse = _score(row, "chosen"), _score(row, "rejected")
    if better is not None and better == worse:
        votes.keep_tie(f"chosen and rejected have the score {better:g}", options)
    return Preference(
        prompt,
        chosen,
        rejected,
        tools=tools.definitions(row.get("tools")),
        chosen_score=better,
        rejected_score=worse,
        margin=None if better is None or worse is None else better - worse,
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
