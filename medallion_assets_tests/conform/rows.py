"""Bronze rows made by hand or from a file, and what conforming makes of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from medallion_assets.conform.conform import conform_batches
from medallion_assets.conform.delivery import Delivery, Options
from medallion_assets.conform.format import load_format
from medallion_assets.extract.ingest import bronze_rows
from medallion_assets.extract.inventory import Export
from medallion_assets.schemas import BRONZE

DAY = date(2024, 9, 1)
EXPORT = "e" * 64
HERE = Delivery(source="feed", file="export.jsonl", record_number=1, options=Options())
Rows = list[dict[str, Any]]


def bronze_row(raw: str | bytes, number: int = 1, **other: Any) -> dict[str, Any]:
    text = {"raw": raw} if isinstance(raw, str) else {"raw_bytes": raw}
    return {
        "source": "feed",
        "landing_date": DAY,
        "export_sha256": EXPORT,
        "file": "export.jsonl",
        "record_number": number,
        "line": number,
        "byte_offset": 0,
        **text,
        **other,
    }


def conformed(
    format_name: str,
    bronze: Iterable[dict[str, Any]],
    *,
    unit: str = "sft_pairs",
    options: Options | None = None,
    batch_rows: int = 3,
) -> tuple[Rows, Rows]:
    """The conformed rows and the rejects of these bronze rows."""
    batches = BRONZE.table(bronze).to_batches(max_chunksize=batch_rows)
    return _collected(format_name, iter(batches), unit, options)


def conformed_file(
    format_name: str, path: Path, *, unit: str = "sft_pairs", options: Options | None = None
) -> tuple[Rows, Rows]:
    """The same for a whole file, through the containers and bronze."""
    export = Export(EXPORT, path.name, DAY, path.stat().st_size, path)
    tables = bronze_rows(export, path, source="feed", columns=load_format(format_name).columns)
    batches = (batch for table in tables for batch in table.to_batches())
    return _collected(format_name, batches, unit, options)


def outcome(format_name: str, raw: str | bytes) -> str:
    """The reason for which this one record is rejected, or 'conformed'."""
    rows, rejects = conformed(format_name, [bronze_row(raw)])
    return "conformed" if rows else str(rejects[0]["reason"])


def record_id_of(format_name: str, record: Any, **other: Any) -> str:
    rows, _ = conformed(format_name, [bronze_row(json.dumps(record), **other)])
    return str(rows[0]["record_id"])


def _collected(
    format_name: str, batches: Iterator[pa.RecordBatch], unit: str, options: Options | None
) -> tuple[Rows, Rows]:
    rows: Rows = []
    rejects: Rows = []
    for good, bad in conform_batches(
        batches, load_format(format_name), unit=unit, options=options or Options()
    ):
        rows += good.to_pylist()
        rejects += bad.to_pylist()
    return rows, rejects
