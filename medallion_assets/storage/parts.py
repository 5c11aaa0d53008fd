"""Parquet parts whose bytes depend on their rows alone.

Belongs here: the writer settings, the regrouping of rows, strict schema enforcement, verified reading.
Does not: which parts make up a partition (manifest.py, store.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from medallion_assets import progress
from medallion_assets.schemas import TableSchema
from medallion_assets.storage.files import HashingFile, sync_folder, temporary_beside
from medallion_assets.storage.manifest import Part

READ_BATCH_ROWS = 2048
# Rows come in all sizes, up to rollouts of a million tokens: bytes bound what a reader or writer holds.
READ_BATCH_BYTES = 8 << 20
ROW_GROUP_BYTES = 64 << 20
FIXED_WIDTH_BYTES = 8

Sizes = np.ndarray[Any, np.dtype[np.int64]]


class SchemaMismatch(ValueError):
    """Rows that do not have exactly the columns their table declares."""

    def __init__(self, schema: TableSchema, differences: Sequence[str]) -> None:
        self.schema = schema
        self.differences = tuple(differences)
        lines = "\n".join(f"  - {difference}" for difference in self.differences)
        super().__init__(
            f"rows do not fit the schema {schema.name!r} version {schema.version}:\n{lines}\n"
            "Rename and convert columns where the rows are made; the store never coerces."
        )


class DamagedPart(OSError):
    """A file of the store that does not hold what was written."""

    def __init__(self, path: Path | str, why: str) -> None:
        self.path = path
        super().__init__(
            f"{path} is damaged: {why}. `medallion verify --rebuild` makes it again from what is sound"
        )


def schema_differences(found: pa.Schema, declared: pa.Schema) -> list[str]:
    """Every way in which `found` is not `declared`: missing, unexpected, other type, other order."""
    differences = [
        f"column {field.name!r} ({field.type}) is missing"
        for field in declared
        if field.name not in found.names
    ]
    differences += [f"column {name!r} is not declared" for name in found.names if name not in declared.names]
    differences += [
        f"column {field.name!r} is {found.field(field.name).type}, declared {field.type}"
        for field in declared
        if found.names.count(field.name) == 1 and not found.field(field.name).type.equals(field.type)
    ]
    if not differences and found.names != declared.names:
        differences.append(f"columns come in the order {found.names}, declared {declared.names}")
    return differences


def null_differences(table: pa.Table, declared: pa.Schema) -> list[str]:
    """Nulls where a column, or a field within it, is declared not null: Parquet may store values instead."""
    return [
        f"column {name!r} has {nulls} nulls, declared not null"
        for field in declared
        if table.column_names.count(field.name) == 1
        for name, nulls in _forbidden_nulls(field, table.column(field.name), field.name)
    ]


def _forbidden_nulls(field: pa.Field, values: pa.ChunkedArray, name: str) -> Iterator[tuple[str, int]]:
    if values.null_count and not field.nullable:
        yield name, values.null_count
    elif not values.type.equals(field.type):
        return  # a difference of its own
    elif pa.types.is_list(field.type):
        child = field.type.value_field
        yield from _forbidden_nulls(child, pc.list_flatten(values), f"{name}.{child.name}")
    elif pa.types.is_struct(field.type):
        present = values.drop_null() if values.null_count else values
        for index, child in enumerate(field.type):
            yield from _forbidden_nulls(child, pc.struct_field(present, [index]), f"{name}.{child.name}")


def enforce(table: pa.Table, declared: TableSchema) -> pa.Table:
    """Returns the rows under the declared schema, or raises SchemaMismatch with every difference."""
    schema = declared.arrow
    differences = schema_differences(table.schema, schema) + null_differences(table, schema)
    if differences:
        raise SchemaMismatch(declared, differences)
    return pa.Table.from_arrays(table.columns, schema=schema)


class PartWriter:
    """Streams rows into one part. However the rows are batched on the way in, the bytes are the same."""

    suffix = ".parquet"

    def __init__(self, folder: Path, schema: TableSchema, *, label: str) -> None:
        self._folder = folder
        self._temporary = temporary_beside(folder / label)
        self._label = label
        self._schema = schema
        self._row_group_rows = schema.row_group_rows
        self._pending: list[pa.Table] = []
        self._pending_bytes: list[Sizes] = []
        self.rows = 0
        self._sink = HashingFile(self._temporary)
        self._writer = self._encoder(schema.arrow)

    def _encoder(self, schema: pa.Schema) -> Any:
        return pq.ParquetWriter(
            self._sink,
            schema,
            compression="zstd",
            compression_level=1,
            version="2.6",
            write_page_checksum=True,
            store_schema=False,  # the Arrow schema in the footer would carry what schemas.py may reword
        )

    def _write_group(self, group: pa.Table) -> None:
        self._writer.write_table(group, row_group_size=self._row_group_rows)

    def write(self, table: pa.Table) -> None:
        rows = enforce(table, self._schema)
        self._pending.append(rows)
        self._pending_bytes.append(row_bytes(rows))
        self.rows += table.num_rows
        if _is_enough(self._pending_bytes, self._row_group_rows):
            self._write_groups(final=False)

    def _write_groups(self, *, final: bool) -> None:
        rows, sizes = pa.concat_tables(self._pending), np.concatenate(self._pending_bytes)
        ends = group_ends(sizes, self._row_group_rows, ROW_GROUP_BYTES)
        if final and rows.num_rows and (not ends or ends[-1] < rows.num_rows):
            ends.append(rows.num_rows)
        for start, end in pairwise([0, *ends]):
            # One chunk per group: the Parquet encoder's pages follow the chunk layout.
            group = rows.slice(start, end - start).combine_chunks()
            self._write_group(group)
        whole = ends[-1] if ends else 0
        self._pending, self._pending_bytes = [rows.slice(whole)], [sizes[whole:]]

    def finish(self, *, export: str | None = None) -> Part:
        """Closes, syncs and names the part after its content. It counts only once a manifest names it."""
        if self._pending:
            self._write_groups(final=True)
        self._writer.close()
        self._sink.close()
        sha256 = self._sink.sha256
        path = self._folder / f"{self._label}-{sha256[:12]}{self.suffix}"
        os.replace(self._temporary, path)
        sync_folder(path.parent)
        return Part(name=path.name, sha256=sha256, rows=self.rows, size=self._sink.size, export=export)

    def abandon(self) -> None:
        """Drops everything written so far; what a broken disk says to that must not hide the first error."""
        for close in (self._writer.close, self._sink.close):
            with suppress(OSError, ValueError, pa.ArrowException):  # ValueError: it is closed already
                close()
        self._temporary.unlink(missing_ok=True)


class MappedPartWriter(PartWriter):
    """The same as an Arrow file, plain, for rows that are looked up here and there through a memory map."""

    suffix = ".arrow"

    def _encoder(self, schema: pa.Schema) -> Any:
        return pa.ipc.new_file(self._sink, schema)

    def _write_group(self, group: pa.Table) -> None:
        self._writer.write_table(pa.Table.from_arrays(list(map(_alone, group.columns)), schema=group.schema))


def _alone(column: pa.ChunkedArray) -> pa.Array:
    """The values copied: of lists that are a slice of others, Arrow writes values that come after them."""
    values = column.combine_chunks()
    return pa.concat_arrays([values, values.slice(0, 0)])


def row_bytes(rows: pa.Table) -> Sizes:
    """How much each row holds: its texts and numbers, nested ones too. The same however rows are chunked."""
    columns = (_value_bytes(column.combine_chunks()) for column in rows.columns)
    return sum(columns, np.zeros(rows.num_rows, np.int64))


def _value_bytes(values: pa.Array) -> Sizes:
    type_ = values.type
    if pa.types.is_string(type_) or pa.types.is_binary(type_):
        return _lengths(pc.binary_length(values))
    if pa.types.is_struct(type_):
        fields = (_value_bytes(pc.struct_field(values, [index])) for index in range(type_.num_fields))
        return sum(fields, np.zeros(len(values), np.int64))
    if pa.types.is_list(type_):
        lengths = _lengths(pc.list_value_length(values))
        held = np.concatenate([[0], np.cumsum(_value_bytes(pc.list_flatten(values)))])
        ends = np.cumsum(lengths)
        each: Sizes = held[ends] - held[ends - lengths]
        return each
    return np.full(len(values), FIXED_WIDTH_BYTES, np.int64)


def _lengths(lengths: pa.Array) -> Sizes:
    found: Sizes = pc.fill_null(lengths, 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return found


def _is_enough(sizes: Sequence[Sizes], rows: int) -> bool:
    return sum(map(len, sizes)) >= rows or sum(int(each.sum()) for each in sizes) > ROW_GROUP_BYTES


def group_ends(sizes: Sizes, max_rows: int, max_bytes: int) -> list[int]:
    """Where groups end that are full: by their rows, or since the next row would be too much."""
    total = np.cumsum(sizes)
    ends: list[int] = []
    start = 0
    while start < len(sizes):
        before = total[start - 1] if start else 0
        too_much = max(int(np.searchsorted(total, before + max_bytes, side="right")), start + 1)
        end = min(start + max_rows, too_much)
        if end == len(sizes) < start + max_rows:
            break  # another row may still fit
        ends.append(end)
        start = end
    return ends


class RowGroup(NamedTuple):
    """How many rows it has, and how large they are in memory, about."""

    rows: int
    bytes: int


def row_groups(path: Path) -> list[RowGroup]:
    """Those of a part, in order."""
    with _damage_named(path), pq.ParquetFile(path) as file:
        return _row_groups(path, file)


def _row_groups(path: Path, file: pq.ParquetFile) -> list[RowGroup]:
    """Raises DamagedPart where they have other rows than the file, since no checksum covers what it says."""
    groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
    found = [RowGroup(group.num_rows, group.total_byte_size) for group in groups]
    if sum(group.rows for group in found) != file.metadata.num_rows:
        raise DamagedPart(path, f"its row groups have other rows than its {file.metadata.num_rows}")
    return found


def read_batches(
    paths: Sequence[Path],
    columns: Sequence[str] | None = None,
    *,
    rows: int = READ_BATCH_ROWS,
    groups: Sequence[int] | None = None,
) -> Iterator[pa.RecordBatch]:
    """The rows of these parts in order, a bounded batch at a time, with page checksums verified.

    `groups` are the numbers of the row groups to read of each part, if not all.

    Raises DamagedPart where there would be fewer rows than were written, or none of a column.
    """
    for path in paths:
        with _damage_named(path):
            yield from _batches_of(path, list(columns) if columns else None, rows, groups)


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """What reading a part says of its content becomes DamagedPart; a disk's own errors stay."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, DamagedPart | FileNotFoundError) or getattr(error, "errno", None) is not None:
            raise
        raise DamagedPart(path, str(error)) from error


def _batches_of(
    path: Path, columns: list[str] | None, rows: int, groups: Sequence[int] | None
) -> Iterator[pa.RecordBatch]:
    seen = 0
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        if missing := sorted(
            set(columns or ()) - set(file.schema_arrow.names)
        ):  # Arrow leaves them out unsaid
            raise DamagedPart(path, f"it has no column {', '.join(missing)}")
        held = _row_groups(path, file)
        wanted = range(len(held)) if groups is None else groups
        expected = sum(held[number].rows for number in wanted)
        progress.reading(expected)
        for batch in file.iter_batches(batch_size=rows, row_groups=list(wanted), columns=columns):
            seen += batch.num_rows
            pieces = -(-batch.nbytes // READ_BATCH_BYTES)
            step = max(1, batch.num_rows // max(pieces, 1))
            yield from (batch.slice(start, step) for start in range(0, batch.num_rows, step))
            progress.advance(batch.num_rows)
        if seen != expected:  # a damaged page header ends the file, for Arrow
            raise DamagedPart(path, f"{seen} of its {expected} rows were found")
