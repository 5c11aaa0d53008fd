"""Conservation: every record that enters a partition leaves it once, as a row or as a reject.

Belongs here: what enters and leaves each kind of stage, and the comparison by identity, in DuckDB on keys
alone. Does not: gold, which may take a record several times (copies.py), or asset checks (asset_checks.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medallion_assets.checks.copies import unequal_records
from medallion_assets.checks.finding import PARTITION, Fault, Finding
from medallion_assets.conform.stage import ConformStage
from medallion_assets.curate.curriculum import CurriculumStage
from medallion_assets.curate.stage import UnitStage
from medallion_assets.package.stage import GoldStage
from medallion_assets.stage import Stage
from medallion_assets.storage.duck import connect
from medallion_assets.storage.store import Build, PartitionStore, Table

SHOWN = 5
BY_PLACE = "source || ' ' || export_sha256 || ' ' || record_number"
BY_RECORD = "record_id"
# Counted both ways, so that a record that is lost is told from one that is there twice.
COMPARISON = """
WITH passages AS (
    SELECT name, sum(entered)::BIGINT AS entered, sum(left_)::BIGINT AS left_
    FROM ({counted}) GROUP BY name
)
SELECT name, entered, left_ FROM passages WHERE entered <> left_ ORDER BY name
"""


@dataclass(frozen=True)
class Passage:
    """What enters a partition and what leaves it: files, and the expression that names a record in each."""

    inputs: Sequence[Path]
    rows: Sequence[Path]
    rejects: Sequence[Path]
    entering: str = BY_RECORD
    leaving: str = BY_RECORD
    rejected: str = BY_RECORD


@dataclass(frozen=True)
class Balance:
    """How many records entered and never left, or left without entering or more than once; and some names."""

    lost: int
    surplus: int
    examples: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.lost and not self.surplus


def imbalances(stage: Stage, store: PartitionStore, keys: Sequence[str]) -> Finding:
    """Partitions that records went missing from, or are in too often."""
    balances = {key: found for key in keys if (found := balance_of(stage, store, key))}
    faults: list[Fault] = [
        {
            PARTITION: key,
            "lost": each.lost,
            "surplus": each.surplus,
            "examples": ", ".join(each.examples),
        }
        for key, each in balances.items()
        if not each.holds
    ]
    return Finding.of(
        len(balances),
        faults,
        lost_records=sum(each.lost for each in balances.values()),
        surplus_records=sum(each.surplus for each in balances.values()),
    )


def balance_of(stage: Stage, store: PartitionStore, key: str) -> Balance | None:
    """None where nothing is to balance: the stage adds or summarizes, or an input has changed since.

    Another feed's run may replace an input at any moment; that run then builds and checks this partition too.
    """
    found = _balance_now(stage, store, key)
    if found is None or found.holds:
        return found
    if _inputs_changed(stage, store, key):
        return None
    # It may be built anew already, after we had looked at its files.
    return _balance_now(stage, store, key)


def _balance_now(stage: Stage, store: PartitionStore, key: str) -> Balance | None:
    if isinstance(stage, GoldStage):
        silver = _of_day(store, stage.inputs, key)
        unequal = unequal_records(stage, store, key, silver=silver)
        lost = sum(lost for _, lost in unequal)
        return Balance(lost, len(unequal) - lost, tuple(name for name, _ in unequal[:SHOWN]))
    passage = passage_of(stage, store, key)
    return balance(passage, scratch=store.root / ".scratch") if passage else None


def _inputs_changed(stage: Stage, store: PartitionStore, key: str) -> bool:
    made, manifest = stage.build(store, key), store.manifest(stage.table, key)
    return (
        isinstance(made, Build) and manifest is not None and made.digests().inputs != manifest.digests.inputs
    )


def balance(passage: Passage, *, scratch: Path) -> Balance:
    """Compares by identity; counts alone would let one loss hide one repetition."""
    counts = (
        (passage.entering, passage.inputs, "1 AS entered, 0 AS left_"),
        (passage.leaving, passage.rows, "0 AS entered, 1 AS left_"),
        (passage.rejected, passage.rejects, "0 AS entered, 1 AS left_"),
    )
    present = [each for each in counts if each[1]]  # DuckDB reads no empty list of files
    counted = " UNION ALL ".join(
        f"SELECT {name} AS name, {way} FROM read_parquet(?)" for name, _, way in present
    )
    with connect(scratch) as duck:
        values = [[str(path) for path in paths] for _, paths, _ in present]
        unequal = duck.execute(COMPARISON.format(counted=counted), values).fetchall() if present else []
    return Balance(
        lost=sum(entered > left for _, entered, left in unequal),
        surplus=sum(left > entered for _, entered, left in unequal),
        examples=tuple(str(name) for name, _, _ in unequal[:SHOWN]),
    )


def passage_of(stage: Stage, store: PartitionStore, key: str) -> Passage | None:
    """What should balance in this partition; None for a stage that adds or summarizes records."""
    rows, rejects = store.paths(stage.table, key), store.paths(stage.table, key, rejects=True)
    match stage:
        case ConformStage() | UnitStage():
            entering = stage.conformed_tables if isinstance(stage, UnitStage) else stage.inputs
            inputs = _of_day(store, entering, key)
            return Passage(inputs, rows, rejects, BY_PLACE, BY_PLACE, BY_PLACE)
        case CurriculumStage():
            days = [day for day in store.keys(stage.prompts) if day <= key]
            inputs = [path for day in days for path in _of_day(store, [stage.prompts], day)]
            return Passage(inputs, rows, rejects)
        case _:
            return None


def _of_day(store: PartitionStore, tables: Sequence[Table], key: str) -> list[Path]:
    return [path for table in tables if store.manifest(table, key) for path in store.paths(table, key)]
