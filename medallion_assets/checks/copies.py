"""Conservation of gold: every silver record is there as often as its recipe takes it, or once in the rejects.

Belongs here: what a recipe plans, against what lies in its table. Does not: other tables, where a record
enters once and leaves once (conservation.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from medallion_assets.package.select import verdicts_on
from medallion_assets.package.stage import GoldStage
from medallion_assets.schemas import TableSchema
from medallion_assets.storage.duck import connect
from medallion_assets.storage.store import PartitionStore

if TYPE_CHECKING:
    import duckdb

# Of a record that is split, the piece that begins it stands for all.
FIRST_PIECES = "unnest(list_filter(record_ids, lambda name, place: record_offsets[place] = 0))"
COUNTED = "CREATE TABLE passages (record_id VARCHAR, planned INTEGER, packed INTEGER, rejected INTEGER)"
# `planned` is null for a record that silver does not have.
UNEQUAL = """
SELECT record_id, rejected = 0 AND packed < greatest(planned, 1) AS lost FROM (
    SELECT record_id, sum(planned) AS planned, sum(packed) AS packed, sum(rejected) AS rejected
    FROM passages GROUP BY record_id
) WHERE planned IS NULL
    OR NOT ((packed = planned AND rejected = (planned = 0)::INTEGER) OR (packed = 0 AND rejected = 1))
ORDER BY record_id
"""


def unequal_records(
    stage: GoldStage, store: PartitionStore, key: str, *, silver: Sequence[Path]
) -> list[tuple[str, bool]]:
    """The records that are not there as often as they should be, and whether too seldom."""
    rows, rejects = (store.paths(stage.table, key, rejects=kind) for kind in (False, True))
    with connect(store.root / ".scratch") as duck:
        duck.execute(COUNTED)
        for verdicts in verdicts_on(silver, stage.selection, stage.silver.schema):
            planned = pa.table([verdicts.records.column("record_id"), pa.array(verdicts.copies)], ["id", "n"])
            duck.register("planned", planned)
            duck.execute("INSERT INTO passages SELECT id, n, 0, 0 FROM planned")
        _count(duck, rows, f"{_names(stage.table.schema)}, NULL, 1, 0")
        _count(duck, rejects, "record_id, NULL, 0, 1")
        return [(name, bool(lost)) for name, lost in duck.execute(UNEQUAL).fetchall()]


def _count(duck: duckdb.DuckDBPyConnection, paths: Sequence[Path], values: str) -> None:
    files = {"paths": [str(path) for path in paths]}
    duck.execute(f"INSERT INTO passages SELECT {values} FROM read_parquet($paths)", files)


def _names(gold: TableSchema) -> str:
    packed = any(column.name == "record_ids" for column in gold.columns)
    return FIRST_PIECES if packed else "record_id"
