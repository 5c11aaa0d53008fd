"""Sample sums in words: questions with worked solutions, and attempts at them, right or wrong as asked.

Belongs here: the stories and their arithmetic. Does not: who attempts what how often (rollouts.py).
"""

from __future__ import annotations

import operator
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from medallion_assets.demo.text import seeded

SIGNS: Mapping[str, Callable[[int, int], int]] = MappingProxyType(
    {"+": operator.add, "-": operator.sub, "*": operator.mul}
)
NAMES = ("Ada", "Bashir", "Chiara", "Dmitri", "Emeka", "Farida", "Goran", "Hana")
# Each step names its numbers, where `before` is the result of the step before it.
Sum = tuple[str, str, str, str]
Story = tuple[str, Sum, Sum]
STORIES: tuple[Story, ...] = (
    (
        "{name} packs {a} boxes of {b} jars each and gives {c} jars away. How many jars are left?",
        ("a", "*", "b", "Jars packed"),
        ("before", "-", "c", "Jars left"),
    ),
    (
        "{name} saves {a} dollars a week for {b} weeks, then finds {c} more. How many dollars are there now?",
        ("a", "*", "b", "Dollars saved"),
        ("before", "+", "c", "Dollars now"),
    ),
    (
        "A ferry leaves with {a} people. At each of {c} piers, {b} more get on. How many are on it then?",
        ("b", "*", "c", "People who get on"),
        ("a", "+", "before", "People on it then"),
    ),
    (
        "{name} reads {a} pages on Monday and {b} on Tuesday, and {c} times as many as both on Wednesday. "
        "How many pages is that on Wednesday?",
        ("a", "+", "b", "Pages on the first two days"),
        ("before", "*", "c", "Pages on Wednesday"),
    ),
    (
        "A hall has {a} rows of {b} seats, and {c} rows are closed. How many seats can be used?",
        ("a", "-", "c", "Rows in use"),
        ("before", "*", "b", "Seats in use"),
    ),
)
# Kept for evaluation: problems made of the stories above would give these away by their template alone.
HELD_OUT_STORIES: tuple[Story, ...] = (
    (
        "On a farm with {a} fields, {name} ploughs {c} fields each morning and {c} more each night. "
        "After {b} whole days, how many times has some field been ploughed?",
        ("c", "+", "c", "Fields a day"),
        ("before", "*", "b", "Times in all"),
    ),
    (
        "The mill grinds {b} sacks before noon, twice that after it, and stands still on {c} days of {a}. "
        "What does {name} note down as sacks ground on any one working day?",
        ("b", "+", "b", "Sacks after noon"),
        ("before", "+", "b", "Sacks a day"),
    ),
    (
        "Divers bring up {a} shells; {name} keeps the {b} that are whole and trades {c} of those for rope. "
        "With how many whole shells does the day end?",
        ("a", "-", "b", "Broken shells"),
        ("b", "-", "c", "Whole shells kept"),
    ),
)
OPENINGS = ("", "Let me work it out.\n", "Step by step:\n", "I write down what is known.\n")
SLIPS = (-10, -2, -1, 1, 2, 10)


@dataclass(frozen=True)
class Step:
    """One sum of a solution, and what it counts."""

    counts: str
    left: int
    sign: str
    right: int

    @property
    def result(self) -> int:
        return SIGNS[self.sign](self.left, self.right)


@dataclass(frozen=True)
class Problem:
    """A question, and the steps that lead to its answer."""

    question: str
    steps: tuple[Step, ...]

    @property
    def answer(self) -> int:
        return self.steps[-1].result

    @property
    def solution(self) -> str:
        """As GSM8K writes it, with each sum in <<>>."""
        sums = (f"{step.left}{step.sign}{step.right}={step.result}" for step in self.steps)
        lines = (
            f"{step.counts}: {step.left} {step.sign} {step.right} = <<{marked}>>{step.result}"
            for step, marked in zip(self.steps, sums, strict=True)
        )
        return "\n".join([*lines, f"#### {self.answer:,}"])


def problems(seed: int, count: int, *, stories: Sequence[Story] = STORIES) -> list[Problem]:
    chance = seeded(seed)
    return [_problem(chance, stories) for _ in range(count)]


def attempt(problem: Problem, chance: random.Random, *, right: bool) -> str:
    """A worked answer; a wrong one slips in its last sum."""
    answer = problem.answer + (0 if right else chance.choice(SLIPS))
    results = [*(step.result for step in problem.steps[:-1]), answer]
    lines = (
        f"{step.counts}: {step.left} {step.sign} {step.right} = {result}"
        for step, result in zip(problem.steps, results, strict=True)
    )
    return chance.choice(OPENINGS) + "\n".join([*lines, f"#### {answer}"])


def _problem(chance: random.Random, stories: Sequence[Story]) -> Problem:
    story, first, second = chance.choice(stories)
    numbers = {"a": chance.randint(21, 90), "b": chance.randint(5, 40), "c": chance.randint(2, 12)}
    begun = _step(first, numbers)
    steps = (begun, _step(second, numbers | {"before": begun.result}))
    return Problem(story.format(name=chance.choice(NAMES), **numbers), steps)


def _step(told: Sum, numbers: Mapping[str, int]) -> Step:
    left, sign, right, counts = told
    return Step(counts, numbers[left], sign, numbers[right])
