"""Ranges of rows of one large partition, made in workers and handed to its one writer in order.

Belongs here: which ranges there are, and how tables cross. Does not: what is made of rows (the stages), or
backends. A worker gets the names of a part and of its row groups, and gives back Arrow's own buffers. What is
made of a row must not depend on its batch; then the writer, which groups rows anew, makes the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import pairwise

import pyarrow as pa

from medallion_assets import progress
from medallion_assets.fanout.backend import Backend, Task
from medallion_assets.storage.manifest import Part
from medallion_assets.storage.memory import kept_for_the_next_batch
from medallion_assets.storage.parts import RowGroup, read_batches, row_groups
from medallion_assets.storage.store import PartitionStore, Table

# A partition of fewer rows is done before workers would be at it.
LARGE_ROWS = 100_000
# What a task reads: some seconds of work, and a bounded part of memory, of which each worker holds two.
RANGE_ROWS = 1 << 14
RANGE_BYTES = 32 << 20

Tables = tuple[pa.Table, ...]


@dataclass(frozen=True)
class RowRange:
    """Row groups [start, end) of a part; `first` is the place of their first row in the partition."""

    store: PartitionStore
    table: Table
    key: str
    part: Part
    start: int
    end: int
    first: int
    rows: int

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        path = self.store.path(self.table, self.key, self.part)
        return read_batches([path], columns, groups=range(self.start, self.end))


# What is to be made of a range, as a value that another process can take: the tables of each of its batches.
Work = Callable[[], Iterator[Tables]]


@dataclass(frozen=True)
class _Spread:
    backend: Backend
    least_rows: int


_spread: ContextVar[_Spread | None] = ContextVar("spread", default=None)


@contextmanager
def spread_over(backend: Backend, *, least_rows: int = LARGE_ROWS) -> Iterator[None]:
    """Partitions of so many rows that the body builds are made by this backend, range by range."""
    token = _spread.set(_Spread(backend, least_rows))
    try:
        yield
    finally:
        _spread.reset(token)


@dataclass(frozen=True)
class Ranges:
    """Those of a large partition, in order, and who is to make them."""

    backend: Backend
    ranges: Sequence[RowRange]

    def made(self, name: str, work: Callable[[RowRange], Work]) -> Generator[Tables, None, None]:
        """What the work on each makes, in order: the tables of all its batches, put together.

        `name` is the partition's. Reports to the progress of the step.
        """
        rows = sum(each.rows for each in self.ranges)
        tasks = [Task(f"{name}, rows from {each.first:,} of {rows:,}", work(each)) for each in self.ranges]
        progress.reading(rows)
        with closing(self.backend.map(_made, tasks)) as made:
            for each, buffers in zip(self.ranges, made, strict=True):
                if buffers:  # of a range that a recipe leaves out there are none
                    yield tuple(map(_from_buffer, buffers))
                progress.advance(each.rows)


def ranges_to_spread(store: PartitionStore, table: Table, key: str) -> Ranges | None:
    """Those of the partition, which is there; None where it is to be read here."""
    spread = _spread.get()
    manifest = store.manifest(table, key) if spread else None
    if spread is None or manifest is None:
        return None
    found = list(_ranges(store, table, key, manifest.parts))
    is_large = sum(each.rows for each in found) >= spread.least_rows and len(found) > 1
    return Ranges(spread.backend, found) if is_large else None


def _made(work: Work) -> tuple[pa.Buffer, ...]:
    """Called in the worker."""
    with kept_for_the_next_batch():
        made = [*work()]
        return tuple(_to_buffer(pa.concat_tables(tables)) for tables in zip(*made, strict=True))


def _to_buffer(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def _from_buffer(buffer: pa.Buffer) -> pa.Table:
    with pa.ipc.open_stream(buffer) as stream:
        return stream.read_all()


def _ranges(store: PartitionStore, table: Table, key: str, parts: Sequence[Part]) -> Iterator[RowRange]:
    first = 0
    for part in parts:
        groups = row_groups(store.path(table, key, part))
        for start, end in pairwise(_ends(groups)):
            rows = sum(group.rows for group in groups[start:end])
            yield RowRange(store, table, key, part, start, end, first, rows)
            first += rows


def _ends(groups: Sequence[RowGroup]) -> list[int]:
    """Where ranges of row groups (rows, bytes) end: before one that would make them too large."""
    ends, rows, size = [0], 0, 0
    for number, (more_rows, more_bytes) in enumerate(groups):
        if rows and (rows + more_rows > RANGE_ROWS or size + more_bytes > RANGE_BYTES):
            ends.append(number)
            rows = size = 0
        rows, size = rows + more_rows, size + more_bytes
    return [*ends, len(groups)] if groups else []
