"""Pairs of answers to a record's prompt: those that the source made, and those of scored answers.

Belongs here: what the formats of such pairs share. Does not: which answers make a pair (votes.py).
"""

from __future__ import annotations

from collections.abc import Sequence
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


def scored_pair(
    row: dict[str, Any],
    answers: Sequence[list[Message] | None],
    scores: Sequence[float | None],
    options: Options,
) -> Preference:
    """The best answer to the record's prompt against the worst."""
    scored = votes.by_scores(answers, scores, options)
    return Preference(
        turns.asked(row),
        scored.best,
        scored.worst,
        chosen_score=scored.best_score,
        rejected_score=scored.worst_score,
        margin=scored.margin,
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
