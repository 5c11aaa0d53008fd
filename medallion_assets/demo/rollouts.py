"""Sample RL data: problems as prompts, and what a policy answered to them, with the faults of training runs.

Belongs here: prompts, evaluation items, the log of a step. Does not: the sums (arithmetic.py) or which day
brings what (exports.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from medallion_assets.demo.arithmetic import Problem, attempt
from medallion_assets.demo.containers import csv_table, jsonl, parquet
from medallion_assets.demo.text import seeded

SAMPLES = 8
# How often the policy solves a problem: some always, some never.
SKILLS = (0.0, 0.25, 0.5, 0.5, 0.75, 1.0)
UNANSWERED = 13
UNREWARDED_PERIOD = 40


def prompts(batch: Sequence[Problem]) -> bytes:
    """Parquet in GSM8K's columns; one solution lacks its final answer."""
    rows = [{"question": problem.question, "answer": problem.solution} for problem in batch]
    rows[UNANSWERED]["answer"] = rows[UNANSWERED]["answer"].partition("####")[0]
    return parquet(rows)


def evaluation(batch: Sequence[Problem]) -> bytes:
    return csv_table([{"question": problem.question, "answer": problem.solution} for problem in batch])


def step_log(batch: Sequence[Problem], step: int, *, seed: int, late: int = 0) -> bytes:
    """verl's log of a step: SAMPLES answers to each problem.

    The trainer's reward misses an answer in other words now and then. The last `late` samples come from a
    worker that still ran the first policy.
    """
    chance = seeded(f"{seed} {step}")
    rows: list[dict[str, Any]] = []
    for problem in batch:
        skill = seeded(problem.question).choice(SKILLS)
        for _ in range(SAMPLES):
            right = chance.random() < skill
            rows.append(_sample(problem, step, attempt(problem, chance, right=right), right=right))
    for row in [row for row in rows if row["score"]][::UNREWARDED_PERIOD]:
        row |= {"output": _reworded(row["output"]), "score": 0.0}
    for row in rows[len(rows) - late :]:
        row["policy_version"] = 1
    return jsonl(rows)


def _sample(problem: Problem, step: int, output: str, *, right: bool) -> dict[str, Any]:
    return {
        "input": f"user\n{problem.question}\nassistant\n",  # as the log has it: rendered, special tokens gone
        "output": output,
        "gts": str(problem.answer),
        "score": float(right),
        "step": step,
    }


def _reworded(output: str) -> str:
    worked, _, answer = output.partition("####")
    return f"{worked}So the answer is {int(answer):,}."
