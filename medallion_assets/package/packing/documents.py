"""The documents of a partition: token ranges of records, on disk, and the order in which they are packed.

Belongs here: what identifies a document, and the shuffling that this gives. Does not: which ranges there are
(too_long.py) or which documents share a bin (pack.py). The order is a function of record ids, copies and
offsets alone: nothing of the order in which documents came is left in it.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from medallion_assets.package.list_columns import Numbers
from medallion_assets.package.packing.spill import TokenSpill
from medallion_assets.package.packing.too_long import Ranges
from medallion_assets.package.render.plain import Flags
from medallion_assets.package.tokens.encode import Flat, Signed
from medallion_assets.records import RECORD_ID_HEX_DIGITS

Keys = np.ndarray[Any, np.dtype[np.uint64]]
# splitmix64's constants. Bins have a seed of their own, so that their order says nothing of their making.
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
BIN_SEED = np.uint64(0x9E3779B97F4A7C15)


class Documents:
    """Numbered from 0 as they come. Copies of a record come one after the other."""

    def __init__(self, scratch: Path) -> None:
        self._spill = TokenSpill(scratch)
        self._ids = bytearray()  # as bytes: at a million records, texts would be most of what is in memory
        self._records, self._copies, self._offsets = array("i"), array("i"), array("i")
        self._last: tuple[str | None, int] = None, 0
        self._split = self._pieces = self._truncated = self._cut = 0

    def __enter__(self) -> Documents:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spill.__exit__(kind, error, trace)

    @property
    def lengths(self) -> Sequence[int]:
        return self._spill.lengths

    def extend(self, record_ids: Sequence[str], signed: Flat, ranges: Ranges) -> None:
        """These ranges, one or more of each record's tokens; of the same record again, its next copy."""
        if not record_ids:
            return
        copies = self._copies_of(record_ids)
        before = self._count
        self._ids += bytes.fromhex(
            "".join(id_ for id_, copy in zip(record_ids, copies.tolist(), strict=True) if not copy)
        )
        records = before - 1 + np.cumsum(copies == 0)
        starts = signed.borders[ranges.places] + ranges.starts
        self._spill.extend(signed.ids, starts, ranges.ends - ranges.starts)
        for held, numbers in (
            (self._records, records[ranges.places]),
            (self._copies, copies[ranges.places]),
            (self._offsets, ranges.starts),
        ):
            held.frombytes(numbers.astype(np.int32).tobytes())
        self._tally(signed.lengths, ranges, first=copies == 0)

    def _copies_of(self, record_ids: Sequence[str]) -> Numbers:
        """How often each of these records came before it, one right after the other."""
        last, copy = self._last
        new = np.array([one != other for one, other in pairwise([last, *record_ids])])
        numbers = np.arange(len(record_ids))
        copies: Numbers = numbers - np.maximum.accumulate(np.where(new, numbers, -1 - copy))
        self._last = record_ids[-1], int(copies[-1])
        return copies

    def _tally(self, lengths: Numbers, ranges: Ranges, *, first: Flags) -> None:
        pieces = np.bincount(ranges.places, minlength=len(lengths))
        left = lengths - ranges.ends[np.cumsum(pieces) - 1]
        self._split += int((first & (pieces > 1)).sum())
        self._pieces += int(pieces[pieces > 1].sum())
        self._truncated += int((first & (left > 0)).sum())
        self._cut += int(left.sum())

    @property
    def _count(self) -> int:
        return len(self._ids) * 2 // RECORD_ID_HEX_DIGITS

    def summary(self) -> dict[str, int]:
        """A record that is taken several times counts once; its documents, pieces and tokens each time."""
        return {
            "records": self._count,
            "documents": len(self._records),
            "tokens": sum(self.lengths),
            "split_records": self._split,
            "pieces": self._pieces,
            "truncated_records": self._truncated,
            "tokens_cut": self._cut,
        }

    def packing_order(self) -> list[int]:
        """The longest first; those of equal length shuffled, so that copies part."""
        lengths = np.array(self.lengths, np.int32)
        halves = self._halves()[np.array(self._records, np.int64)]
        order: list[int] = np.lexsort((halves[:, 1], self._keys(), -lengths)).tolist()
        return order

    def shuffled(self, bins: Sequence[Sequence[int]]) -> list[Sequence[int]]:
        """The bins in training order: as packed, the first would hold the longest documents."""
        if not bins:
            return []
        documents = np.concatenate([np.array(each, np.int64) for each in bins])
        starts = np.cumsum([0, *map(len, bins[:-1])])
        keys = np.add.reduceat(_mixed(self._keys()[documents] ^ BIN_SEED), starts)
        return [bins[place] for place in np.argsort(keys, kind="stable")]

    def _keys(self) -> Keys:
        """A number for each document, of its record, copy and offset."""
        place = np.array(self._copies, np.uint64) << np.uint64(32) | np.array(self._offsets, np.uint64)
        return _mixed(self._halves()[np.array(self._records, np.int64), 0] ^ _mixed(place))

    def _halves(self) -> Keys:
        return np.frombuffer(bytes(self._ids), ">u8").astype(np.uint64).reshape(-1, 2)

    def tokens(self, documents: Sequence[int]) -> Signed:
        """Theirs, one document after the other."""
        return self._spill.gather(documents)

    def record_ids(self, documents: Sequence[int]) -> list[str]:
        size = RECORD_ID_HEX_DIGITS // 2
        starts = (self._records[document] * size for document in documents)
        return [self._ids[start : start + size].hex() for start in starts]

    def offsets(self, documents: Sequence[int]) -> list[int]:
        """At which of its record's tokens each document begins."""
        return [self._offsets[document] for document in documents]


def _mixed(numbers: Keys) -> Keys:
    """One to one, and every bit of a number decides on every bit of the outcome."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * FIRST
    numbers = (numbers ^ (numbers >> np.uint64(27))) * SECOND
    return numbers ^ (numbers >> np.uint64(31))
