"""Where two Parquet files first differ, or where one can't be read: row, column and record.

Belongs here: looking at rows. Does not: why they differ (audit.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

BATCH_ROWS = 256


@dataclass(frozen=True)
class Location:
    """A row of a partition, from 0, and what is known of the place in it."""

    row: int | None
    column: str | None
    record_id: str | None
    what: str


def first_difference(then: Path, now: Path) -> Location:
    """Files of the same partition whose bytes differ."""
    if unreadable := unreadable_place(then):
        return replace(unreadable, record_id=_record_at(now, unreadable.row))
    start = 0
    for before, after in zip(_batches(then), _batches(now), strict=False):
        rows = min(before.num_rows, after.num_rows)
        before, after = before.slice(0, rows), after.slice(0, rows)
        for name in dict.fromkeys([*before.schema.names, *after.schema.names]):
            if name not in before.schema.names or name not in after.schema.names:
                return Location(None, name, None, "one of the two has no such column")
            if not before.column(name).equals(after.column(name)):
                return _in_batch(before, after, name, start)
        start += rows
    counts = [pq.read_metadata(path).num_rows for path in (then, now)]
    if counts[0] != counts[1]:
        return Location(min(counts), None, None, f"{counts[0]} rows then, {counts[1]} now")
    return Location(None, None, None, "all rows are equal; the files' own structure differs")


def unreadable_place(path: Path) -> Location | None:
    """The first page that its own checksum denies, as rows and a column; None where all can be read."""
    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        return Location(None, None, None, f"the footer can't be read: {error}")
    with file:
        start = 0
        for number in range(file.metadata.num_row_groups):
            rows = file.metadata.row_group(number).num_rows
            for column in file.schema_arrow.names:
                try:
                    file.read_row_group(number, columns=[column])
                except (OSError, pa.ArrowException):
                    row = start + _readable_rows(file, number, column)
                    what = f"rows {row} to {start + rows - 1} can't be read: a checksum fails"
                    return Location(row, column, None, what)
            start += rows
    return None


def _readable_rows(file: pq.ParquetFile, group: int, column: str) -> int:
    """How many rows of a column come before the page that can't be read."""
    read = 0
    try:
        for batch in file.iter_batches(batch_size=1, row_groups=[group], columns=[column]):
            read += batch.num_rows
    except (OSError, pa.ArrowException):
        return read
    return 0


def _record_at(path: Path, row: int | None) -> str | None:
    """The record, or the first one, of a row."""
    named = [name for name in ("record_id", "record_ids") if name in pq.read_schema(path).names]
    if row is None or not named:
        return None
    ids = pq.ParquetFile(path).read(columns=named).column(0).slice(row, 1).to_pylist()
    found: list[str] = ids[0] if ids and isinstance(ids[0], list) else ids
    return found[0] if found else None


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        yield from file.iter_batches(batch_size=BATCH_ROWS)


def _in_batch(before: pa.RecordBatch, after: pa.RecordBatch, name: str, start: int) -> Location:
    one, other = before.column(name), after.column(name)
    row = next(row for row in range(len(one)) if not one[row].equals(other[row]))
    record, what = _record(before, name, row, one[row].as_py(), other[row].as_py())
    return Location(start + row, name, record, what)


def _record(rows: pa.RecordBatch, name: str, row: int, one: Any, other: Any) -> tuple[str | None, str]:
    """Whose place it is: of packed rows, the document at the first position that differs."""
    if "record_id" in rows.schema.names:
        return rows.column("record_id")[row].as_py(), "the values differ"
    if "record_ids" not in rows.schema.names or not isinstance(one, list) or not isinstance(other, list):
        return None, "the values differ"
    pairs = enumerate(zip(one, other, strict=False))
    place = next((place for place, (left, right) in pairs if left != right), min(len(one), len(other)))
    lengths = rows.column("seq_lengths")[row].as_py()
    per_document = len(one) == len(lengths)
    document = place if per_document else int(np.searchsorted(np.cumsum(lengths), place, side="right"))
    ids = rows.column("record_ids")[row].as_py()
    return (ids[document] if document < len(ids) else None), f"they differ from position {place} on"
