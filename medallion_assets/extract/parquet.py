"""Parquet rows as JSON objects, in bounded batches and in column order.

Belongs here: reading Parquet, finding values that are no UTF-8, how Arrow's types read in JSON. Does not:
unpacking a compressed file (compression.py) or what the columns mean (conform/).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from medallion_assets.extract.json_values import json_values, text_as_bytes
from medallion_assets.extract.limits import RATIO_IS_LOOKED_AT_FROM_BYTES, Limits
from medallion_assets.extract.raw import HEAD_BYTES, RawRecord, UnreadableContainer, too_large

PARQUET_MAGIC = b"PAR1"
MAX_BATCH_ROWS = 256
BATCH_BYTES = 16 << 20
READ_BYTES = 1 << 20
encode = msgspec.json.Encoder().encode


def parquet_records(source: Path | BinaryIO, *, compressed_bytes: int, limits: Limits) -> Iterator[RawRecord]:
    """Each row as compact JSON text; `line` is its number. `compressed_bytes` is the size of what landed."""
    row = size = 0
    try:
        with pq.ParquetFile(
            source, pre_buffer=False, buffer_size=READ_BYTES, page_checksum_verification=True
        ) as file:
            _refuse_repeated_names(pa.struct(file.schema_arrow))
            for batch in file.iter_batches(batch_size=_batch_rows(file.metadata)):
                size += batch.nbytes
                _refuse_bombs(size, compressed_bytes, row, limits)
                for text, defect in _texts(batch):
                    row += 1
                    yield _record(text, row, defect, limits.record_bytes)
            if row != file.metadata.num_rows:
                raise UnreadableContainer(
                    "broken_parquet", f"{row} of its {file.metadata.num_rows} rows were found"
                )
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk's fault, not the file's
            raise
        raise UnreadableContainer(
            "broken_parquet", f"after row {row}, Arrow can't read on ({type(error).__name__})"
        ) from error


def _batch_rows(metadata: pq.FileMetaData) -> int:
    """Few rows at a time where rows are large."""
    size: int = sum(metadata.row_group(n).total_byte_size for n in range(metadata.num_row_groups))
    rows: int = metadata.num_rows
    return max(1, min(MAX_BATCH_ROWS, BATCH_BYTES * rows // max(size, 1)))


def _refuse_repeated_names(type_: pa.DataType) -> None:
    """A JSON object has room for one value a name."""
    if pa.types.is_struct(type_):
        names = Counter(field.name for field in type_.fields)
        if max(names.values(), default=1) > 1:
            raise UnreadableContainer("duplicate_header", "two columns, or two fields of one, have one name")
    for n in range(type_.num_fields):
        _refuse_repeated_names(type_.field(n).type)


def _refuse_bombs(size: int, compressed_bytes: int, row: int, limits: Limits) -> None:
    if size > limits.decompressed_bytes:
        raise UnreadableContainer(
            "too_large_decompressed",
            f"after row {row}, its rows come to over {limits.decompressed_bytes} bytes",
        )
    if size > RATIO_IS_LOOKED_AT_FROM_BYTES and size > limits.compression_ratio * compressed_bytes:
        raise UnreadableContainer(
            "compression_ratio",
            f"after row {row}, its rows come to over {limits.compression_ratio} times the file's size",
        )


def _record(text: bytes, row: int, defect: str | None, limit: int) -> RawRecord:
    if len(text) > limit:
        return RawRecord(text[:HEAD_BYTES], row, 0, too_large(len(text), limit))
    return RawRecord(text, row, 0, defect)


def _texts(batch: pa.RecordBatch) -> Iterator[tuple[bytes, str | None]]:
    """Each row's JSON text, and what is wrong with it."""
    names = batch.schema.names
    if all(_is_sound(column) for column in batch.columns):
        for row in zip(*map(json_values, batch.columns), strict=True):
            yield encode(dict(zip(names, row, strict=True))), None
        return
    for number in range(batch.num_rows):
        cells = [
            column.take([number]) for column in batch.columns
        ]  # a slice would be judged by all its parent
        values = [_shown(cell) if not _is_sound(cell) else json_values(cell)[0] for cell in cells]
        yield encode(dict(zip(names, values, strict=True))), _defect(dict(zip(names, cells, strict=True)))


def _is_sound(column: pa.Array) -> bool:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _defect(cells: dict[str, pa.Array]) -> str | None:
    for name, cell in cells.items():
        if not _is_sound(cell):
            if _is_sound(text_as_bytes(cell)):
                return f"invalid_utf8: column {name!r}"
            return f"invalid_value: column {name!r} has a value that its type does not allow"
    return None


def _shown(cell: pa.Array) -> Any:
    return _escaped(text_as_bytes(cell).to_pylist()[0])


def _escaped(value: Any) -> Any:
    """The value with its bytes as text, in which those that are no UTF-8 read \\xNN."""
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if isinstance(value, dict):
        return {key: _escaped(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [_escaped(child) for child in value]
    return value
