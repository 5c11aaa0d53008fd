"""The ledger of a release: of every record that landed in its days, where it went, one file a recipe.

Belongs here: the rows and how they are found, in DuckDB on ids. Does not: what is told from them (diff.py,
figures.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from medallion_assets.release.lineage import Lineage
from medallion_assets.release.manifest import TRAIN
from medallion_assets.schemas import PROVENANCE, Column, TableSchema
from medallion_assets.storage.duck import connect
from medallion_assets.storage.manifest import Part
from medallion_assets.storage.parts import PartWriter
from medallion_assets.storage.store import PartitionStore, Table
from medallion_assets.trace.bins import LAYOUTS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BATCH_ROWS = 8192
NOT_SELECTED = "not_selected"
RECORDS = TableSchema(
    "release_records",
    1,
    (
        Column("record_id", pa.string(), "Content hash, where the record got that far.", nullable=True),
        *PROVENANCE,
        Column("split", pa.string(), "The split that holds the record; null where none.", nullable=True),
        Column("documents", pa.int64(), "How many documents of the split it is.", nullable=True),
        Column("tokens", pa.int64(), "Its tokens in them.", nullable=True),
        Column("rejected_by", pa.string(), "The table that it fell out of.", nullable=True),
        Column("stage", pa.string(), "The stage that rejected it.", nullable=True),
        Column("reason", pa.string(), "Reason code.", nullable=True),
        Column("detail", pa.string(), "What exactly was found.", nullable=True),
        Column("twin_record_id", pa.string(), "The record that it repeats.", nullable=True),
    ),
)
PLACE = "source, landing_date, export_sha256, record_number, line"
READ = "read_parquet({paths}, hive_partitioning = false)"
# A record that gold holds counts as held, whatever else of it was cut off or left out. Of one that neither
# side of a hold-out takes, the side that it belongs to says why.
LEDGER = f"""
WITH held AS (
    SELECT record_id, min(split) AS split, count(*) AS documents, sum(tokens)::BIGINT AS tokens
    FROM ({{packed}}) GROUP BY record_id
), refused AS (
    SELECT record_id, rejected_by, stage, reason, detail FROM ({{refused}})
    QUALIFY row_number() OVER (
        PARTITION BY record_id
        ORDER BY reason IN ('held_out', 'not_held_out'), rejected_by, stage, reason, detail
    ) = 1
)
SELECT * FROM (
    SELECT DISTINCT silver.record_id, {PLACE}, split, documents, tokens,
        if(split IS NULL, coalesce(rejected_by, $gold), NULL) AS rejected_by,
        if(split IS NULL, coalesce(stage, 'package'), NULL) AS stage,
        if(split IS NULL, coalesce(reason, '{NOT_SELECTED}'), NULL) AS reason,
        if(split IS NULL, coalesce(detail, 'the recipe leaves it out'), NULL) AS detail,
        NULL::VARCHAR AS twin_record_id
    FROM ({{silver}}) AS silver
    LEFT JOIN held USING (record_id) LEFT JOIN refused USING (record_id)
    UNION ALL
    SELECT record_id, {PLACE}, NULL, NULL, NULL, rejected_by, stage, reason, detail, twin_record_id
    FROM ({{fallen}})
) ORDER BY ALL
"""
NONE_PACKED = "SELECT NULL::VARCHAR AS record_id, '' AS split, 0 AS tokens WHERE false"
NONE_SILVER = """
SELECT NULL::VARCHAR AS record_id, '' AS source, NULL::DATE AS landing_date, '' AS export_sha256,
    0 AS record_number, 0 AS line WHERE false
"""
NONE_REJECTED = f"""
SELECT record_id, {PLACE}, '' AS rejected_by, '' AS stage, '' AS reason, '' AS detail, '' AS twin_record_id
FROM ({NONE_SILVER})
"""


@dataclass(frozen=True)
class Passed:
    """What the recipe's records passed on their way, as queries; None where nothing is there."""

    lineage: Lineage
    recipe: str
    store: PartitionStore

    def packed(self, table: Table, split: str) -> str | None:
        """A document each, however many a row of gold holds."""
        layout = LAYOUTS[table.schema.name]
        documents = f"unnest({layout.record_ids}) AS record_id, unnest({layout.lengths}) AS tokens"
        return self._read(f"{documents}, '{split}' AS split", table)

    def silver(self, table: Table) -> str | None:
        return self._read(f"record_id, {PLACE}", table)

    def rejects(self, table: Table) -> str | None:
        why = f"'{table.full_name}' AS rejected_by, stage, reason, detail, twin_record_id"
        return self._read(f"record_id, {PLACE}, {why}", table, rejects=True)

    def _read(self, columns: str, table: Table, *, rejects: bool = False) -> str | None:
        days = self.lineage.days(self.recipe, table, self.store)
        paths = [path for key in days for path in self.store.paths(table, key, rejects=rejects)]
        return f"SELECT {columns} FROM {READ.format(paths=_literal(paths))}" if paths else None


def write_ledger(passed: Passed, folder: Path) -> Part:
    """The ledger of one recipe, in the folder: rows in one total order, so that the bytes are the same."""
    writer = PartWriter(folder, RECORDS, label=passed.recipe)
    try:
        with connect(passed.store.root / ".scratch") as duck:
            for batch in _rows(duck, passed):
                rows = pa.Table.from_batches([batch])
                writer.write(pa.Table.from_arrays(rows.cast(_nullable()).columns, schema=RECORDS.arrow))
        return writer.finish()
    except BaseException:
        writer.abandon()
        raise


def _nullable() -> pa.Schema:
    """As DuckDB gives them: the types are ours, but it calls every column nullable."""
    return pa.schema([field.with_nullable(True) for field in RECORDS.arrow])


def _rows(duck: DuckDBPyConnection, passed: Passed) -> Iterator[pa.RecordBatch]:
    splits = passed.lineage.recipes[passed.recipe]
    gold = {stage.table: split for split, stage in splits.items()}
    before = [table for table in passed.lineage.rejecting(passed.recipe) if table not in gold]
    sql = LEDGER.format(
        packed=_union([passed.packed(table, split) for table, split in gold.items()], NONE_PACKED),
        silver=_union([passed.silver(splits[TRAIN].silver)], NONE_SILVER),
        refused=_union(map(passed.rejects, gold), NONE_REJECTED),
        fallen=_union(map(passed.rejects, before), NONE_REJECTED),
    )
    found = duck.sql(sql, params={"gold": f"gold/{passed.recipe}"})
    yield from found.to_arrow_reader(BATCH_ROWS)


def _union(queries: Iterable[str | None], none: str) -> str:
    return " UNION ALL ".join(filter(None, queries)) or none


def _literal(paths: Sequence[Path]) -> str:
    quoted = ("'" + str(path).replace("'", "''") + "'" for path in paths)
    return f"[{', '.join(quoted)}]"
