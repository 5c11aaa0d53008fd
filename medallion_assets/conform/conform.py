"""Bronze rows to conformed rows and rejects: parse, conform, clean, gate, verify, name.

Belongs here: the row loop and the two tables it makes. Does not: any source's shape (formats/) or where
the tables go (stage.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from medallion_assets.conform.delivery import Delivery, Options
from medallion_assets.conform.format import Format
from medallion_assets.conform.plain import plain_rows
from medallion_assets.conform.streamed import opened
from medallion_assets.curate.clean import clean_text
from medallion_assets.curate.gates import GATES, Gate, first_reject
from medallion_assets.curate.gates.quality import quality_gates
from medallion_assets.curate.gates.quality.thresholds import DEFAULT_QUALITY, Quality
from medallion_assets.curate.reward import verify_reward
from medallion_assets.records import Rejected, strict_json
from medallion_assets.schemas import ORIGIN, REJECTS, UNIT_SCHEMAS, TableSchema
from medallion_assets.text.alphabet import Array
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
    schema = UNIT_SCHEMAS[unit]
    for batch in batches:
        rows: list[dict[str, Any]] = []
        rejects: list[dict[str, Any]] = []
        gone: list[int] = []
        settled, plain = _plain(batch, format_, quality)
        left = np.setdiff1d(np.arange(batch.num_rows), settled)
        for place, bronze in zip(left.tolist(), batch.select(READ).take(left).to_pylist(), strict=True):
            try:
                rows.append(_conformed(bronze, format_, options, gates))
            except Rejected as reject:
                rejects.append(reject_row(bronze, reject))
                gone.append(place)
        made = [*plain, pa.Table.from_pylist(rows, schema.without_origin)]
        kept = np.concatenate([settled, np.setdiff1d(left, gone)])
        lost = pa.Table.from_pylist(rejects, REJECTS.without_origin)
        yield _placed(made, schema, batch, kept), _placed([lost], REJECTS, batch, np.array(gone, np.int64))


def _plain(batch: pa.RecordBatch, format_: Format, quality: Quality) -> tuple[Array, list[pa.Table]]:
    """The places of what is made at once, and it; the rest is for the loop."""
    if format_.plain is None:
        return np.zeros(0, np.int64), []
    places, rows = plain_rows(batch, format_.plain, quality)
    return places, [rows]


def _placed(made: Sequence[pa.Table], schema: TableSchema, batch: pa.RecordBatch, places: Array) -> pa.Table:
    """The rows in the order of their places in the batch, with the provenance of what they were made of."""
    order = np.argsort(places)
    rows = pa.concat_tables(made)
    if (order[1:] < order[:-1]).any():
        rows = rows.combine_chunks().take(pa.array(order))
    landed = pa.Table.from_batches([batch]).select(ORIGIN).take(pa.array(places[order]))
    columns = [(landed if name in ORIGIN else rows).column(name) for name in schema.arrow.names]
    return pa.Table.from_arrays(columns, schema=schema.arrow)


def _conformed(
    bronze: dict[str, Any], format_: Format, options: Options, gates: Sequence[Gate]
) -> dict[str, Any]:
    delivery = Delivery(bronze["source"], bronze["file"], bronze["record_number"], options)
    value, delivery = opened(parsed(bronze), delivery)
    record = format_.conform(value, delivery)
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
