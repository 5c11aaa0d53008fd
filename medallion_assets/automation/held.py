"""Which partitions are held back, because a blocking check refused what they would be built from.

Belongs here: what evaluations say of partitions, and which partitions of its inputs a partition reads. Does
not: asking Dagster for the evaluations (refusals.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from medallion_assets.conform.evals import EvalStage
from medallion_assets.curate.curriculum import CurriculumStage
from medallion_assets.curate.decontaminate.stages import ContaminationStage, EvalIndexStage
from medallion_assets.curate.derived import DerivedStage, day_before
from medallion_assets.curate.stage import UnitStage
from medallion_assets.stage import Stage
from medallion_assets.storage.store import Table

Refused = Mapping[tuple[str, str], Collection[str]]


@dataclass(frozen=True)
class Evaluation:
    """What a check found: of which partitions, and which of them failed. None is all that there are."""

    passed: bool
    checked: frozenset[str] | None = None
    failed: frozenset[str] | None = None


def refused(evaluations: Sequence[Evaluation], present: Iterable[str]) -> set[str]:
    """The partitions whose last evaluation failed. Evaluations come newest first."""
    everything = frozenset(present)
    found: set[str] = set()
    decided: set[str] = set()
    for evaluation in evaluations:
        checked = everything if evaluation.checked is None else evaluation.checked
        if not evaluation.passed:
            found |= (checked if evaluation.failed is None else evaluation.failed) - decided
        decided |= checked
    return found


def held_back(stage: Stage, keys: Iterable[str], refused: Refused) -> set[str]:
    """Those of the keys that read a refused partition."""
    bad = [(table, day) for table in stage.inputs for day in refused.get((table.layer, table.name), ())]
    return {key for key in keys if any(reads(stage, key, table, day) for table, day in bad)}


def reads(stage: Stage, key: str, table: Table, day: str) -> bool:
    """Whether the stage's partition is made of that day of its input."""
    match stage:
        case UnitStage() if table in stage.conformed_tables:
            return day <= key
        case EvalStage() | EvalIndexStage():
            return day <= key
        case ContaminationStage() if table == stage.index:
            return True
        case DerivedStage():
            return day == day_before(key)
        case CurriculumStage():
            return day <= key if table == stage.prompts else day < key
        case _:
            return day == key
