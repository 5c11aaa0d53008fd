"""The fingerprints of a unit's conformed partitions as one sequence, in the order that decides who survives.

Belongs here: that order, and looking fingerprints up by their place in it. Does not: finding candidates
(buckets.py), or whether they match (dedup.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from mmap import ACCESS_READ, mmap
from pathlib import Path

import numpy as np
import pyarrow as pa

from medallion_assets.curate.fingerprint import KEY_BYTES
from medallion_assets.curate.minhash import SLOTS
from medallion_assets.storage.store import PartitionStore, Table
from medallion_assets.text.alphabet import Array
from medallion_assets.text.words import ranges

# Each holds a file descriptor, of which a process has 1024.
MAPPED_FILES = 512
MOST_RECORDS = 1 << 32


@dataclass(frozen=True)
class Deposit:
    """One source's fingerprints of one day: `sha256` names their content."""

    day: str
    source: str
    table: Table
    path: Path
    sha256: str
    rows: int


def deposits(
    store: PartitionStore, sources: Sequence[tuple[str, Table]], *, upto: str
) -> tuple[Deposit, ...]:
    """By landing date, then in the order of `sources`: the order in which records survive each other."""
    found = {
        (day, rank): _deposit(store, source, table, day)
        for rank, (source, table) in enumerate(sources)
        for day in store.keys(table)
        if day <= upto and (manifest := store.manifest(table, day)) and manifest.rows
    }
    return tuple(found[place] for place in sorted(found))


def _deposit(store: PartitionStore, source: str, table: Table, day: str) -> Deposit:
    path, part = store.fingerprints(table, day)
    return Deposit(day, source, table, path, part.sha256, part.rows)


class History:
    """Fingerprints by position in a sequence of deposits. Only what is asked for is read."""

    def __init__(self, deposits: Sequence[Deposit]) -> None:
        self.deposits = tuple(deposits)
        self.starts: Array = np.array([0, *accumulate(each.rows for each in deposits)])
        if len(self) >= MOST_RECORDS:
            raise OverflowError(f"{len(self)} records of one unit; positions have 32 bits")

    def __len__(self) -> int:
        return int(self.starts[-1])

    def keys(self, positions: Array) -> Array:
        """uint8 (positions, KEY_BYTES)."""
        return self._gathered(positions, KEY_BYTES, "dedup_key")

    def signatures(self, positions: Array) -> Array:
        """uint8 (positions, SLOTS)."""
        return self._gathered(positions, SLOTS, "minhash")

    def sizes(self, positions: Array) -> Array:
        """int64 (positions,): how many shingles each has."""
        counts = np.zeros(len(positions), np.int64)
        for batch, rows, places in self._located(positions, np.argsort(positions, kind="stable")):
            offsets = _offsets(batch)
            counts[places] = offsets[rows + 1] - offsets[rows]
        return counts

    def shingles(self, positions: Array) -> tuple[Array, Array]:
        """Sorted sets of uint32, one after the other, and where each begins: int64 (positions + 1,)."""
        order = np.argsort(positions, kind="stable")
        sets, counts = [], np.zeros(len(positions), np.int64)
        for batch, rows, places in self._located(positions, order):
            offsets = _offsets(batch)
            counts[places] = offsets[rows + 1] - offsets[rows]
            values = np.frombuffer(batch.column("shingles").values.buffers()[1] or b"", np.uint32)
            sets.append(values[ranges(offsets[rows], counts[places])])
        found = np.concatenate(sets) if sets else np.zeros(0, np.uint32)
        ordered = counts[order]
        sorted_begins = np.cumsum(ordered) - ordered
        begins = np.empty_like(sorted_begins)
        begins[order] = sorted_begins
        return found[ranges(begins, counts)], np.concatenate([[0], np.cumsum(counts)])

    def places(self, positions: Array) -> Iterator[tuple[Deposit, int]]:
        """The deposit of each position, and the row in it."""
        which = np.searchsorted(self.starts, positions, side="right") - 1
        for deposit, position in zip(which.tolist(), positions.tolist(), strict=True):
            yield self.deposits[deposit], position - int(self.starts[deposit])

    def _gathered(self, positions: Array, width: int, column: str) -> Array:
        found = np.empty((len(positions), width), np.uint8)
        for batch, rows, places in self._located(positions, np.argsort(positions, kind="stable")):
            found[places] = fixed_width(batch, column, width)[rows]
        return found

    def _located(self, positions: Array, order: Array) -> Iterator[tuple[pa.RecordBatch, Array, Array]]:
        """Batch by batch, the rows asked for and their places in `positions`; `order` sorts those."""
        ascending = positions[order]
        bounds = np.searchsorted(ascending, self.starts)
        for number in np.flatnonzero(np.diff(bounds)).tolist():
            here = slice(bounds[number], bounds[number + 1])
            rows, places = ascending[here] - self.starts[number], order[here]
            yield from _by_batch(mapped(self.deposits[number].path), rows, places)


@lru_cache(maxsize=MAPPED_FILES)
def mapped(path: Path) -> tuple[pa.RecordBatch, ...]:
    """The file's batches, in place. A file is named after its content, so it never changes."""
    with pa.ipc.open_file(pa.py_buffer(in_place(path))) as batches:
        return tuple(batches.get_batch(number) for number in range(batches.num_record_batches))


def in_place(path: Path) -> mmap:
    """Not by pa.memory_map, which has the system fetch all of a file for the few rows that are looked at."""
    with path.open("rb") as file:
        return mmap(file.fileno(), 0, access=ACCESS_READ)


def fixed_width(batch: pa.RecordBatch, column: str, width: int) -> Array:
    """uint8 (rows, width), without a copy."""
    content = np.frombuffer(batch.column(column).buffers()[1], np.uint8)
    return content[: batch.num_rows * width].reshape(-1, width)


def _offsets(batch: pa.RecordBatch) -> Array:
    """int32 (rows + 1,): where each row's shingles begin, without a copy."""
    offsets: Array = np.frombuffer(batch.column("shingles").buffers()[1], np.int32)
    return offsets[: batch.num_rows + 1]


def _by_batch(
    batches: Sequence[pa.RecordBatch], rows: Array, places: Array
) -> Iterator[tuple[pa.RecordBatch, Array, Array]]:
    if len(batches) == 1:
        yield batches[0], rows, places
        return
    starts = [0, *accumulate(batch.num_rows for batch in batches)]
    bounds = np.searchsorted(rows, starts)
    for batch, start, first, last in zip(batches, starts, bounds, bounds[1:], strict=False):
        if first < last:
            yield batch, rows[first:last] - start, places[first:last]
