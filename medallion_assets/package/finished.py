"""A record a row: finished rows and rejects, in an order that nothing but the records decides.

Belongs here: what the tables share in which a record is a row. Does not: a unit's columns (units/), or bins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from medallion_assets.package.packing.row_spill import RowSpill
from medallion_assets.package.recipe import Sink, Workshop
from medallion_assets.records import Rejected
from medallion_assets.schemas import ORIGIN_AND_ID, REJECTS, TableSchema

Made = tuple[pa.Table, ...]  # of a batch: its rows, and its rejects


def write_rows(made: Iterable[Made], workshop: Workshop, writer: Sink, *, tokens: Sequence[str]) -> None:
    """Batches of rows and rejects; the rows come shuffled, the same way each time. `tokens` are the columns
    that count them."""
    summary = {"documents": 0, "tokens": 0, "truncated_records": 0}
    with RowSpill(workshop.scratch, workshop.schema.arrow) as spill:
        for rows, rejects in made:
            writer.rejects(rejects)
            summary["documents"] += rows.num_rows
            summary["tokens"] += sum(_total(rows, name) for name in tokens)
            summary["truncated_records"] += _total(rows, "truncated")
            spill.append(rows)
        for chunk in spill.chunks(workshop.schema.row_group_rows):
            writer.rows(chunk)
    writer.summary.update(summary)


def kept_of(batch: pa.RecordBatch, outcomes: Sequence[Any]) -> pa.RecordBatch:
    """The rows whose outcome is no reject."""
    return batch.filter(pa.array([not isinstance(outcome, Rejected) for outcome in outcomes], pa.bool_()))


def rows_of(kept: pa.RecordBatch, made: Mapping[str, pa.Array], schema: TableSchema) -> pa.Table:
    """The columns that were made for these rows, and the others as they are."""
    columns = [made[name] if name in made else kept.column(name) for name in schema.arrow.names]
    return pa.Table.from_arrays(columns, schema=schema.arrow)


def rejects_of(batch: pa.RecordBatch, outcomes: Sequence[Any]) -> pa.Table:
    """The rows whose outcome is one."""
    return rejects_at(
        batch, {row: outcome for row, outcome in enumerate(outcomes) if isinstance(outcome, Rejected)}
    )


def rejects_at(batch: pa.RecordBatch, rejects: Mapping[int, Rejected]) -> pa.Table:
    """By row of the batch."""
    rows = sorted(rejects)
    origins = batch.select(ORIGIN_AND_ID).take(pa.array(rows, pa.int64())).to_pylist()
    return REJECTS.table(
        {"stage": "package", "reason": rejects[row].reason, "detail": rejects[row].detail, **origin}
        for row, origin in zip(rows, origins, strict=True)
    )


def _total(rows: pa.Table, column: str) -> int:
    """0 where the table has no such column."""
    return (pc.sum(rows.column(column)).as_py() or 0) if column in rows.column_names else 0
