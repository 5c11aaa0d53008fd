"""Conservation: every record that enters a partition leaves it once, as a row or as a reject.

Belongs here: what enters and leaves each kind of stage, and the comparison by identity, in DuckDB on keys
alone. Does not: asset checks (asset_checks.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medallion_assets.conform.stage import ConformStage
from medallion_assets.curate.curriculum import CurriculumStage
from medallion_assets.curate.stage import UnitStage
from medallion_assets.package.stage import GoldStage
from medallion_assets.stage import Stage
from medallion_assets.storage.duck import connect
from medallion_assets.storage.store import PartitionStore, Table

SHOWN = 5
BY_PLACE = "source || ' ' || export_sha256 || ' ' || record_number"
BY_RECORD = "record_id"
BY_DOCUMENT = "unnest(record_ids)"
# Counted both ways, so that a record that is lost is told from one that is there twice.
COMPARISON = """
WITH passages AS (
    SELECT name, sum(entered)::BIGINT AS entered, sum(left_)::BIGINT AS left_ FROM (
        SELECT {entering} AS name, 1 AS entered, 0 AS left_ FROM read_parquet($inputs)
        UNION ALL SELECT {leaving}, 0, 1 FROM read_parquet($rows)
        UNION ALL SELECT {rejected}, 0, 1 FROM read_parquet($rejects)
    ) GROUP BY name
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


def balance(passage: Passage, *, scratch: Path) -> Balance:
    """Compares by identity; counts alone would let one loss hide one repetition."""
    if not passage.inputs:
        return Balance(0, 0, ())
    query = COMPARISON.format(entering=passage.entering, leaving=passage.leaving, rejected=passage.rejected)
    files = {"inputs": passage.inputs, "rows": passage.rows, "rejects": passage.rejects}
    with connect(scratch) as duck:
        values = {name: [str(path) for path in paths] for name, paths in files.items()}
        unequal = duck.execute(query, values).fetchall()
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
            inputs = _of_day(store, stage.inputs, key)
            return Passage(inputs, rows, rejects, BY_PLACE, BY_PLACE, BY_PLACE)
        case CurriculumStage():
            days = [day for day in store.keys(stage.prompts) if day <= key]
            inputs = [path for day in days for path in _of_day(store, [stage.prompts], day)]
            return Passage(inputs, rows, rejects)
        case GoldStage():
            return Passage(_of_day(store, stage.inputs, key), rows, rejects, leaving=BY_DOCUMENT)
        case _:
            return None


def _of_day(store: PartitionStore, tables: Sequence[Table], key: str) -> list[Path]:
    return [path for table in tables if store.manifest(table, key) for path in store.paths(table, key)]
