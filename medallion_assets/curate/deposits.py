"""The fingerprints of a unit's conformed partitions as files, in the order that decides who survives.

Belongs here: that order, and reading a file in place. Does not: many of them as one sequence (history.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from mmap import ACCESS_READ, MADV_DONTNEED, mmap
from pathlib import Path
from weakref import WeakSet

import numpy as np
import pyarrow as pa

from medallion_assets.curate.fingerprint import KEY_BYTES
from medallion_assets.curate.minhash import SLOTS
from medallion_assets.storage.parts import DamagedPart
from medallion_assets.storage.store import PartitionStore, Table
from medallion_assets.text.alphabet import Array

# Each holds a file descriptor, of which a process has 1024.
MAPPED_FILES = 512
_in_place: WeakSet[mmap] = WeakSet()


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
        (day, rank): Deposit(day, source, table, path, part.sha256, part.rows)
        for rank, (source, table) in enumerate(sources)
        for day, path, part in store.fingerprints(table, upto=upto)
    }
    return tuple(found[place] for place in sorted(found))


@dataclass(frozen=True)
class Fingerprints:
    """Those of a batch of rows, where they lie.

    `keys` uint8 (rows, KEY_BYTES), `signatures` uint8 (rows, SLOTS); `shingles` uint32, sorted by row, which
    begin at `first`: int32 (rows + 1,).
    """

    keys: Array
    signatures: Array
    shingles: Array
    first: Array

    @staticmethod
    def of(batch: pa.RecordBatch) -> Fingerprints:
        shingles = batch.column("shingles")
        first = np.frombuffer(shingles.buffers()[1], np.int32)[: batch.num_rows + 1]
        return Fingerprints(
            _fixed_width(batch, "dedup_key", KEY_BYTES),
            _fixed_width(batch, "minhash", SLOTS),
            np.frombuffer(shingles.values.buffers()[1] or b"", np.uint32),
            first,
        )


@lru_cache(maxsize=MAPPED_FILES)
def fingerprints_in(path: Path) -> tuple[Fingerprints, ...]:
    """Batch by batch. A file is named after its content, so it never changes."""
    with pa.ipc.open_file(pa.py_buffer(in_place(path))) as file:
        return tuple(Fingerprints.of(file.get_batch(number)) for number in range(file.num_record_batches))


def verify(deposit: Deposit) -> None:
    """Once a process, and before the buckets that outlive it are made of it. Raises DamagedPart."""
    status = deposit.path.stat()
    _verify(deposit.path, deposit.sha256, status.st_ino, status.st_mtime_ns)


@lru_cache(maxsize=100_000)
def _verify(path: Path, sha256: str, _inode: int, _mtime_ns: int) -> None:
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise DamagedPart(path, "it has other bytes than were written")


def shingles_in(path: Path, rows: Array) -> Array:
    """The sets of these rows, which ascend, one after the other: a copy, for which no file stays open."""
    batches = fingerprints_in(path)
    bounds = np.searchsorted(rows, [0, *accumulate(len(batch.keys) for batch in batches)]).tolist()
    sets = [np.zeros(0, np.uint32)]
    before = 0
    for batch, start, end in zip(batches, bounds, bounds[1:], strict=False):
        here = rows[start:end] - before
        begins, ends = batch.first[here].tolist(), batch.first[here + 1].tolist()
        sets += [batch.shingles[a:b] for a, b in zip(begins, ends, strict=True)]
        before += len(batch.keys)
    return np.concatenate(sets)


def in_place(path: Path) -> mmap:
    """Not by pa.memory_map, which has the system fetch all of a file for the few rows that are looked at."""
    with path.open("rb") as file:
        content = mmap(file.fileno(), 0, access=ACCESS_READ)
    _in_place.add(content)
    return content


def let_go() -> None:
    """What was looked at in place leaves this process's memory; who looks again has it from the system's."""
    for content in tuple(_in_place):
        content.madvise(MADV_DONTNEED)


def _fixed_width(batch: pa.RecordBatch, column: str, width: int) -> Array:
    """uint8 (rows, width), without a copy."""
    content = np.frombuffer(batch.column(column).buffers()[1], np.uint8)
    return content[: batch.num_rows * width].reshape(-1, width)
