"""Bronze rows to conformed rows and rejects: parse, conform, clean, gate, verify, name.

Belongs here: the row loop and the two tables it makes. Does not: any source's shape (formats/) or where
the tables go (stage.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from medallion_assets.conform.delivery import Delivery, Options
from medallion_assets.conform.format import Format
from medallion_assets.curate.clean import clean_text
from medallion_assets.curate.gates import GATES, Gate, first_reject
from medallion_assets.curate.gates.quality import quality_gates
from medallion_assets.curate.gates.quality.thresholds import DEFAULT_QUALITY, Quality
from medallion_assets.curate.reward import verify_reward
from medallion_assets.records import Rejected, strict_json
from medallion_assets.schemas import ORIGIN, REJECTS, UNIT_SCHEMAS, TableSchema
from medallion_assets.units import Rollout

# What a record is made of; its provenance passes by.
READ = ("source", "file", "record_number", "raw", "raw_bytes", "defect")


def conform_batches(
    batches: Iterator[pa.RecordBatch],
    format_: Format,
    *,
    unit: str,
    options: Options,
    quality: Quality = DEFAULT_QUALITY,
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """For each batch of bronze rows, the conformed rows and the rejects: every row is in one of the two."""
    gates = (*GATES[unit], *quality_gates(quality, unit))
    for batch in batches:
        rows: list[dict[str, Any]] = []
        rejects: list[dict[str, Any]] = []
        kept: list[int] = []
        gone: list[int] = []
        for place, bronze in enumerate(batch.select(READ).to_pylist()):
            try:
                rows.append(_conformed(bronze, format_, options, gates))
                kept.append(place)
            except Rejected as reject:
                rejects.append(reject_row(bronze, reject))
                gone.append(place)
        yield _placed(rows, UNIT_SCHEMAS[unit], batch, kept), _placed(rejects, REJECTS, batch, gone)


def _placed(
    rows: list[dict[str, Any]], schema: TableSchema, batch: pa.RecordBatch, places: list[int]
) -> pa.Table:
    """The rows with the provenance of those in the batch that they were made of."""
    landed = pa.Table.from_batches([batch]).select(ORIGIN).take(pa.array(places, pa.int64()))
    own = pa.schema([column for column in schema.arrow if column.name not in ORIGIN])
    made = pa.Table.from_pylist(rows, schema=own)
    columns = {
        **dict(zip(own.names, made.columns, strict=True)),
        **dict(zip(ORIGIN, landed.columns, strict=True)),
    }
    return pa.Table.from_arrays([columns[name] for name in schema.arrow.names], schema=schema.arrow)


def _conformed(
    bronze: dict[str, Any], format_: Format, options: Options, gates: Sequence[Gate]
) -> dict[str, Any]:
    delivery = Delivery(bronze["source"], bronze["file"], bronze["record_number"], options)
    record = format_.conform(parsed(bronze), delivery)
    record.clean(clean_text)
    if reject := first_reject(record, gates):
        raise reject
    if isinstance(record, Rollout):
        verify_reward(record)
    return record.as_row()


def parsed(bronze: dict[str, Any]) -> Any:
    """The row's value; raises Rejected for a defect of the row, of its encoding, or of its JSON."""
    if bronze["defect"] is not None:
        reason, _, detail = bronze["defect"].partition(": ")
        raise Rejected(reason, detail)
    if bronze["raw"] is None:
        raise Rejected("invalid_utf8", "the record's bytes are not UTF-8")
    return strict_json(bronze["raw"])


def reject_row(bronze: dict[str, Any], reject: Rejected) -> dict[str, Any]:
    return {
        "stage": "extract" if bronze["defect"] is not None else "conform",
        "reason": reject.reason,
        "detail": reject.detail,
        "raw": bronze["raw"],
        "raw_bytes": bronze["raw_bytes"],
    }
