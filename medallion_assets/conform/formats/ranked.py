"""Ranked answers: {"prompt" or "instruction", "input"?, "answers": [best, …, worst], "scores"?: [number, …]}.

Scores, where given, rank instead of the order. Without a prompt, texts are transcripts that begin with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from medallion_assets.conform import fields, transcript, turns, votes
from medallion_assets.conform.delivery import Delivery, Options
from medallion_assets.records import Rejected
from medallion_assets.units import Message, Preference

UNITS = ("preference_triples",)
OPTIONS = ("fields", "ties")
ANSWERS = ("answers", "output", "responses", "completions")
SCORES = ("scores", "score")


def problems(unit: str, options: Options) -> Iterator[str]:
    yield from votes.field_problems(options, ("prompt", "answers", "scores"))


def conform(record: Any, delivery: Delivery) -> Preference:
    """The best answer against the worst."""
    row, options = fields.an_object(record), delivery.options
    if "prompt" in options.fields:
        row = {**row, "prompt": votes.needed(row, "prompt", options)}
    best, worst, best_score, worst_score, margin = _ends(row, options)
    prompt, chosen, rejected = turns.apart(row, _answer(row, best), _answer(row, worst))
    return Preference(
        prompt,
        chosen,
        rejected,
        chosen_score=best_score,
        rejected_score=worst_score,
        margin=margin,
        source_id=fields.own_id(row),
    )


def _ends(row: dict[str, Any], options: Options) -> tuple[Any, Any, float | None, float | None, float | None]:
    """The best and the worst answer, their scores and the margin."""
    answers = _listed(votes.needed(row, "answers", options, *ANSWERS), "the answers")
    found = votes.needed if "scores" in options.fields else votes.located
    if (scores := found(row, "scores", options, *SCORES)) is not None:
        given = [fields.number(score, "a score") for score in _listed(scores, "the scores")]
        return votes.by_scores(answers, given, options)
    if len(answers) < 2:
        raise Rejected("too_few_answers", f"{len(answers)} answers, expected 2 or more")
    return answers[0], answers[-1], None, None, None


def _answer(row: dict[str, Any], answer: Any) -> list[Message]:
    if isinstance(answer, str) and turns.prompt_key(row) is None:
        return transcript.turns(answer, "an answer")
    return turns.said(answer, "an answer", by="assistant")


def _listed(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise Rejected("wrong_type", f"{what} are a JSON {fields.json_type(value)}, expected an array")
    return value
