"""Records that a recipe takes several times: their copies, and their one reject.

Belongs here: what repeating means for rows and for rejects. Does not: who is repeated, and how often
(select.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from medallion_assets.package.recipe import Sink
from medallion_assets.storage.parts import READ_BATCH_BYTES, READ_BATCH_ROWS, group_ends, row_bytes

Copies = np.ndarray[Any, np.dtype[np.int32]]


def repeated(batches: Iterable[pa.RecordBatch], copies: Copies) -> Iterator[pa.RecordBatch]:
    """Each record as often as `copies` says, next to each other; again in batches that are bounded."""
    first = 0
    for batch in batches:
        taken = np.repeat(np.arange(batch.num_rows), copies[first : first + batch.num_rows])
        first += batch.num_rows
        if not len(taken):
            continue
        sizes = row_bytes(pa.Table.from_batches([batch]))[taken]
        ends = group_ends(sizes, READ_BATCH_ROWS, READ_BATCH_BYTES)
        for start, end in pairwise(sorted({0, *ends, len(taken)})):
            yield batch.take(pa.array(taken[start:end]))


@dataclass
class RejectsOnce:
    """A writer that keeps one reject of a record whose copies are all rejected, one after the other."""

    writer: Sink
    last: str | None = None

    @property
    def summary(self) -> dict[str, Any]:
        return self.writer.summary

    def rows(self, table: pa.Table) -> None:
        self.writer.rows(table)

    def rejects(self, table: pa.Table) -> None:
        ids = [self.last, *table.column("record_id").to_pylist()]
        self.writer.rejects(table.filter(pa.array([a != b for a, b in pairwise(ids)], pa.bool_())))
        self.last = ids[-1]
