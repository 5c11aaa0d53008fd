"""Finished rows of a partition, on disk, handed back in an order that their record ids decide.

Belongs here: keeping Arrow rows and gathering them in another order, in bounded memory. Does not: making
rows (units/) or token sequences that are packed (spill.py).
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa

# Gathering takes a piece from every batch for every chunk, so there should be few of them.
BATCH_ROWS = 16_384
BATCH_BYTES = 64 << 20

# Odd, so that its multiples are all different and far apart.
GOLDEN = np.uint64(0x9E3779B97F4A7C15)

Numbers = np.ndarray[Any, np.dtype[np.int64]]


class RowSpill:
    """An unnamed temporary file of rows; it is gone when closed, or when the process dies."""

    def __init__(self, scratch: Path, schema: pa.Schema) -> None:
        scratch.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115  # closed by __exit__
        self._sink = pa.ipc.new_file(pa.PythonFile(self._file, mode="w"), schema)
        self._schema = schema
        self._pending: list[pa.Table] = []
        self._lengths: list[int] = []
        self._ids = bytearray()

    def __enter__(self) -> RowSpill:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, rows: pa.Table) -> None:
        self._ids += bytes.fromhex("".join(rows.column("record_id").to_pylist()))
        self._pending.append(rows)
        held = sum(table.num_rows for table in self._pending)
        if held >= BATCH_ROWS or sum(table.nbytes for table in self._pending) >= BATCH_BYTES:
            self._write()

    def chunks(self, rows: int) -> Iterator[pa.Table]:
        """All rows, so many at a time."""
        self._write()
        self._sink.close()
        self._file.flush()
        order, batches = shuffled(np.frombuffer(self._ids, ">u8").astype(np.uint64)), self._batches()
        for start in range(0, len(order), rows):
            yield self._gathered(batches, order[start : start + rows])

    def _write(self) -> None:
        if not self._pending:
            return
        whole = pa.concat_tables(self._pending).combine_chunks()
        self._sink.write_table(whole, max_chunksize=max(1, whole.num_rows))
        self._lengths.append(whole.num_rows)
        self._pending = []

    def _batches(self) -> list[pa.RecordBatch]:
        """Nothing is read before it is taken; the map closes with the last batch that looks into it."""
        mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        reader = pa.ipc.open_file(pa.BufferReader(pa.py_buffer(mapped)))
        return [reader.get_batch(number) for number in range(reader.num_record_batches)]

    def _gathered(self, batches: list[pa.RecordBatch], numbers: Numbers) -> pa.Table:
        """These rows in this order: from each batch those that it has, then all of them put in place."""
        starts = np.concatenate([[0], np.cumsum(self._lengths)])
        of = np.searchsorted(starts, numbers, side="right") - 1
        by_batch = np.argsort(of, kind="stable")
        pieces = [
            batches[batch].take(pa.array(numbers[by_batch][of[by_batch] == batch] - starts[batch]))
            for batch in np.unique(of)
        ]
        places = np.empty_like(by_batch)
        places[by_batch] = np.arange(len(by_batch))
        return pa.Table.from_batches(pieces, self._schema).combine_chunks().take(pa.array(places))


def shuffled(ids: np.ndarray[Any, np.dtype[np.uint64]]) -> Numbers:
    """The order of records, whose ids come as two halves each: by id, since that is a hash.

    The copies of a record, which come one after the other, are moved apart, each to another place.
    """
    high, low = ids[::2], ids[1::2]
    is_first = np.concatenate([[True], (high[1:] != high[:-1]) | (low[1:] != low[:-1])])[: len(high)]
    numbers = np.arange(len(high))
    copies = numbers - np.maximum.accumulate(np.where(is_first, numbers, 0))
    order: Numbers = np.lexsort((low, high + copies.astype(np.uint64) * GOLDEN))
    return order
