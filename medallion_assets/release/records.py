"""The ledger of a release: of every record that landed in its days, where it went, one file a recipe.

Belongs here: the rows and how they are found, in DuckDB on ids. Does not: what is told from them (diff.py,
figures.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from medallion_assets.release.lineage import Lineage
from medallion_assets.schemas import PROVENANCE, Column, TableSchema
from medallion_assets.storage.duck import connect
from medallion_assets.storage.manifest import Part
from medallion_assets.storage.parts import PartWriter
from medallion_assets.storage.store import PartitionStore, Table

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
        Column("tokens", pa.int64(), "Its tokens in them, where rows are packed.", nullable=True),
        Column("rejected_by", pa.string(), "The table that it fell out of.", nullable=True),
        Column("stage", pa.string(), "The stage that rejected it.", nullable=True),
        Column("reason", pa.string(), "Reason code.", nullable=True),
        Column("detail", pa.string(), "What exactly was found.", nullable=True),
        Column("twin_record_id", pa.string(), "The record that it repeats.", nullable=True),
    ),
)
PLACE = "source, landing_date, export_sha256, record_number, line"
READ = "read_parquet({paths}, hive_partitioning = false)"
# A record that gold holds counts as held, whatever else of it was cut off or left out.
LEDGER = f"""
WITH held AS (
    SELECT record_id, min(split) AS split, count(*) AS documents, sum(tokens)::BIGINT AS tokens
    FROM ({{packed}}) GROUP BY record_id
), refused AS (
    SELECT record_id, rejected_by, stage, reason, detail FROM ({{refused}})
    QUALIFY row_number() OVER (PARTITION BY record_id ORDER BY rejected_by, stage, reason, detail) = 1
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


def write_ledger(lineage: Lineage, recipe: str, store: PartitionStore, folder: Path) -> Part:
    """The ledger of one recipe, in the folder: rows in one total order, so that the bytes are the same."""
    writer = PartWriter(folder, RECORDS, label=recipe)
    try:
        with connect(store.root / ".scratch") as duck:
            for batch in _rows(duck, lineage, recipe, store):
                rows = pa.Table.from_batches([batch])
                writer.write(pa.Table.from_arrays(rows.cast(_nullable()).columns, schema=RECORDS.arrow))
        return writer.finish()
    except BaseException:
        writer.abandon()
        raise


def _nullable() -> pa.Schema:
    """As DuckDB gives them: the types are ours, but it calls every column nullable."""
    return pa.schema([field.with_nullable(True) for field in RECORDS.arrow])


def _rows(
    duck: DuckDBPyConnection, lineage: Lineage, recipe: str, store: PartitionStore
) -> Iterator[pa.RecordBatch]:
    splits = lineage.recipes[recipe]
    gold = {stage.table: split for split, stage in splits.items()}
    tables = lineage.rejecting(recipe)
    silver = next(iter(splits.values())).silver
    sql = LEDGER.format(
        packed=_union([_packed(store, lineage, table, split) for table, split in gold.items()], NONE_PACKED),
        silver=_union([_silver(store, lineage, silver)], NONE_SILVER),
        refused=_union([_rejects(store, lineage, table) for table in gold], NONE_REJECTED),
        fallen=_union(
            [_rejects(store, lineage, table) for table in tables if table not in gold], NONE_REJECTED
        ),
    )
    found = duck.sql(sql, params={"gold": f"gold/{recipe}"})
    yield from found.to_arrow_reader(BATCH_ROWS)


def _union(queries: Sequence[str | None], none: str) -> str:
    return " UNION ALL ".join(filter(None, queries)) or none


def _packed(store: PartitionStore, lineage: Lineage, table: Table, split: str) -> str | None:
    """A gold row holds several documents, or is one record."""
    paths = _paths(store, lineage, table)
    if not paths:
        return None
    source = READ.format(paths=_literal(paths))
    if "record_ids" in pq.read_schema(paths[0]).names:
        documents = "unnest(record_ids) AS record_id, unnest(seq_lengths) AS tokens"
        return f"SELECT record_id, '{split}' AS split, tokens FROM (SELECT {documents} FROM {source})"
    return f"SELECT record_id, '{split}' AS split, NULL::INTEGER AS tokens FROM {source}"


def _silver(store: PartitionStore, lineage: Lineage, table: Table) -> str | None:
    paths = _paths(store, lineage, table)
    return f"SELECT record_id, {PLACE} FROM {READ.format(paths=_literal(paths))}" if paths else None


def _rejects(store: PartitionStore, lineage: Lineage, table: Table) -> str | None:
    paths = _paths(store, lineage, table, rejects=True)
    if not paths:
        return None
    why = f"'{table.full_name}' AS rejected_by, stage, reason, detail, twin_record_id"
    return f"SELECT record_id, {PLACE}, {why} FROM {READ.format(paths=_literal(paths))}"


def _paths(store: PartitionStore, lineage: Lineage, table: Table, *, rejects: bool = False) -> list[Path]:
    days = (key for key in store.keys(table) if lineage.first <= key <= lineage.last)
    return [path for key in days for path in store.paths(table, key, rejects=rejects)]


def _literal(paths: Sequence[Path]) -> str:
    quoted = ("'" + str(path).replace("'", "''") + "'" for path in paths)
    return f"[{', '.join(quoted)}]"
