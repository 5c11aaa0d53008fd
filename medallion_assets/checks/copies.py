"""Conservation of gold: every silver record is there as often as its recipe takes it, or once in the rejects.

Belongs here: what a recipe plans, against what lies in its table. Does not: other tables, where a record
enters once and leaves once (conservation.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from medallion_assets.package.choose.select import verdicts_on
from medallion_assets.package.stage import GoldStage
from medallion_assets.storage.duck import connect
from medallion_assets.storage.store import PartitionStore

if TYPE_CHECKING:
    import duckdb

COUNTED = """CREATE TABLE passages
    (record_id VARCHAR, planned INTEGER, packed INTEGER, rejected INTEGER, first BIGINT, last BIGINT)"""
PLANNED = "record_id, copies, 0, 0, 0, 0"
REJECTED = "record_id, NULL, 0, 1, 0, 0"
# A row a record; or bins of documents, where the piece that begins a split record stands for it.
ROWS = "record_id, NULL, 1, 0, 0, 0"
BINS = """unnest(record_ids), NULL, (unnest(record_offsets) = 0)::INTEGER, 0,
    unnest(record_offsets), unnest(record_offsets) + unnest(seq_lengths)"""
# `planned` is null for a record that silver does not have. Each piece begins where another ends, so that of a
# torn one a piece between is missing.
UNEQUAL = """
SELECT record_id, rejected = 0 AND (torn OR packed < greatest(planned, 1)) AS lost FROM (
    SELECT record_id, sum(planned) AS planned, sum(packed) AS packed, sum(rejected) AS rejected,
        sum(first) <> sum(last) - sum(packed) * max(last) AS torn
    FROM passages GROUP BY record_id
) WHERE torn OR planned IS NULL
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
            names = ["record_id", "copies"]
            planned = [verdicts.records.column("record_id"), pa.array(verdicts.copies)]
            duck.register("planned", pa.Table.from_arrays(planned, names))
            duck.execute(f"INSERT INTO passages SELECT {PLANNED} FROM planned")
        in_bins = any(column.name == "record_ids" for column in stage.table.schema.columns)
        _count(duck, rows, BINS if in_bins else ROWS)
        _count(duck, rejects, REJECTED)
        return [(name, bool(lost)) for name, lost in duck.execute(UNEQUAL).fetchall()]


def _count(duck: duckdb.DuckDBPyConnection, paths: Sequence[Path], values: str) -> None:
    files = {"paths": [str(path) for path in paths]}
    duck.execute(f"INSERT INTO passages SELECT {values} FROM read_parquet($paths)", files)
