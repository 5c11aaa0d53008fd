"""Sample preferences: what annotators voted, and answers that a model scored, with the faults of both.

Belongs here: the shapes of the two feeds. Does not: the text (text.py) or which day brings what (exports.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from medallion_assets.demo.containers import jsonl
from medallion_assets.demo.text import Question, seeded

FIRST, SECOND, TIE = "A is better", "B is better", "no difference"
ANNOTATORS = 3
# Every so many tasks, the one at each of these places is at fault.
PERIOD = 30
CANCELLED, TIED, DISPUTED = 4, 12, 21
IDENTICAL = 17  # once an export
Vote = str | None
Task = dict[str, Any]


def annotated(batch: Sequence[Question], *, seed: int) -> list[Task]:
    """The tasks of a Label Studio project; None stands for an annotation that was cancelled."""
    chance = seeded(seed)
    tasks = []
    for number, question in enumerate(batch):
        first, second = question.answers
        votes = _votes(number, winner=chance.choice((FIRST, SECOND)), other=chance.choice((TIE, None)))
        answers = {"answer1": first, "answer2": first if number == IDENTICAL else second}
        tasks.append(
            {
                "id": seed * 1_000 + number,
                "data": {"prompt": question.text, **answers},
                "annotations": [_annotation(vote) for vote in votes],
            }
        )
    return tasks


def scored(batch: Sequence[Question], *, seed: int) -> bytes:
    """JSONL; one question has but one answer, one lacks a score, in one all answers score the same."""
    chance = seeded(seed)
    lines: list[dict[str, Any]] = []
    for question in batch:
        scores = chance.sample(range(1, 11), k=len(question.answers))
        lines.append({"prompt": question.text, "answers": list(question.answers), "scores": scores})
    lines[11] |= {"answers": lines[11]["answers"][:1], "scores": lines[11]["scores"][:1]}
    lines[23]["scores"].pop()
    lines[47]["scores"] = [5] * len(lines[47]["answers"])
    return jsonl(lines)


def _votes(number: int, *, winner: str, other: Vote) -> list[Vote]:
    match number % PERIOD:
        case place if place == CANCELLED:
            return [None] * ANNOTATORS
        case place if place == TIED:
            return [TIE] * ANNOTATORS
        case place if place == DISPUTED:
            return [FIRST, SECOND, None]
    return [winner, other, winner]


def _annotation(vote: Vote) -> dict[str, Any]:
    choices = {"type": "choices", "from_name": "better", "to_name": "answers", "value": {"choices": [vote]}}
    return {"was_cancelled": vote is None, "ground_truth": False, "result": [] if vote is None else [choices]}
