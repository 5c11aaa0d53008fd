"""Conservation: every record that enters a partition leaves it once, as a row or as a reject.

Belongs here: what enters and leaves each kind of stage, and the comparison by identity, on keys alone. Does
not: gold, which may take a record several times (copies.py), or asset checks (asset_checks.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from medallion_assets.checks.copies import unequal_records
from medallion_assets.checks.finding import PARTITION, Fault, Finding
from medallion_assets.conform.stage import ConformStage
from medallion_assets.curate.curriculum import CurriculumStage
from medallion_assets.curate.stage import UnitStage
from medallion_assets.package.stage import GoldStage
from medallion_assets.stage import Stage
from medallion_assets.storage.duck import connect
from medallion_assets.storage.parts import read_batches
from medallion_assets.storage.store import Build, PartitionStore, Table

SHOWN = 5
BY_PLACE = ("source", "export_sha256", "record_number")
BY_RECORD = ("record_id",)
# A record of each takes 200 bytes to compare in memory; more of them are compared on the disk.
IN_MEMORY = 200_000
# Weighed both ways, so that a record that is lost is told from one that is there twice.
COMPARISON = """
SELECT name, sum(weight)::BIGINT AS weight FROM ({weighed}) GROUP BY name HAVING weight <> 0 ORDER BY name
"""


@dataclass(frozen=True)
class Passage:
    """What enters a partition and what leaves it: files, and the columns that name a record in each."""

    inputs: Sequence[Path]
    rows: Sequence[Path]
    rejects: Sequence[Path]
    names: tuple[str, ...] = BY_RECORD

    @property
    def weighed(self) -> tuple[tuple[Sequence[Path], int], ...]:
        """Files with records, and what each record of them counts."""
        return ((self.inputs, 1), (self.rows, -1), (self.rejects, -1))

    @property
    def is_small(self) -> bool:
        paths = (path for paths, _ in self.weighed for path in paths)
        records: int = sum(pq.read_metadata(path).num_rows for path in paths)
        return records <= IN_MEMORY


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
    unequal = _unequal_in_memory(passage) if passage.is_small else _unequal_on_disk(passage, scratch)
    return Balance(
        lost=sum(weight > 0 for _, weight in unequal),
        surplus=sum(weight < 0 for _, weight in unequal),
        examples=tuple(name for name, _ in unequal[:SHOWN]),
    )


def _unequal_in_memory(passage: Passage) -> list[tuple[str, int]]:
    """By name, how much more often each record enters than it leaves."""
    batches = [
        batch.append_column("weight", pa.array(np.full(batch.num_rows, weight)))
        for paths, weight in passage.weighed
        for batch in read_batches(paths, passage.names)
    ]
    if not batches:
        return []
    tables = (pa.Table.from_batches([batch]) for batch in batches)
    found = pa.concat_tables(tables, promote_options="permissive")
    weights = found.group_by(list(passage.names)).aggregate([("weight", "sum")])
    unequal = weights.filter(pc.not_equal(weights.column("weight_sum"), 0))
    names = (" ".join(str(row[name]) for name in passage.names) for row in unequal.to_pylist())
    return sorted(zip(names, unequal.column("weight_sum").to_pylist(), strict=True))


def _unequal_on_disk(passage: Passage, scratch: Path) -> list[tuple[str, int]]:
    present = [each for each in passage.weighed if each[0]]  # DuckDB reads no empty list of files
    name = " || ' ' || ".join(passage.names)
    selects = (f"SELECT {name} AS name, {weight} AS weight FROM read_parquet(?)" for _, weight in present)
    with connect(scratch) as duck:
        values = [[str(path) for path in paths] for paths, _ in present]
        return duck.execute(COMPARISON.format(weighed=" UNION ALL ".join(selects)), values).fetchall()


def passage_of(stage: Stage, store: PartitionStore, key: str) -> Passage | None:
    """What should balance in this partition; None for a stage that adds or summarizes records."""
    rows, rejects = store.paths(stage.table, key), store.paths(stage.table, key, rejects=True)
    match stage:
        case ConformStage() | UnitStage():
            entering = stage.conformed_tables if isinstance(stage, UnitStage) else stage.inputs
            inputs = _of_day(store, entering, key)
            return Passage(inputs, rows, rejects, BY_PLACE)
        case CurriculumStage():
            days = [day for day in store.keys(stage.prompts) if day <= key]
            inputs = [path for day in days for path in _of_day(store, [stage.prompts], day)]
            return Passage(inputs, rows, rejects)
        case _:
            return None


def _of_day(store: PartitionStore, tables: Sequence[Table], key: str) -> list[Path]:
    return [path for table in tables if store.manifest(table, key) for path in store.paths(table, key)]
