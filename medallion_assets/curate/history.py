"""The fingerprints of all deposits as one sequence, in the order that decides who survives.

Belongs here: looking fingerprints up by their place in it. Does not: the files that they are in (buckets.py;
shingles alone lie in deposits.py's), finding candidates, or whether they match (dedup.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from medallion_assets.curate.buckets import Buckets, BucketsFile, stretches
from medallion_assets.curate.deposits import Deposit, shingles_in
from medallion_assets.curate.fingerprint import KEY_BYTES
from medallion_assets.curate.minhash import SLOTS
from medallion_assets.text.alphabet import Array

MOST_RECORDS = 1 << 32


class History:
    """Fingerprints by position in a sequence of deposits. Only what is asked for is read.

    `folder` keeps buckets from one day to the next.
    """

    def __init__(self, deposits: Sequence[Deposit], folder: Path) -> None:
        self.deposits = tuple(deposits)
        self.starts = _starts(each.rows for each in deposits)
        if len(self) >= MOST_RECORDS:
            raise OverflowError(f"{len(self)} records of one unit; positions have 32 bits")
        parts = list(stretches(deposits))
        self._files = [BucketsFile.of(stretch, folder) for stretch in parts]
        self._file_starts = _starts(sum(each.rows for each in stretch) for stretch in parts)

    def __len__(self) -> int:
        return int(self.starts[-1])

    def buckets(self) -> Iterator[tuple[int, Buckets]]:
        """Stretch by stretch, with the position of its first record."""
        for start, file in zip(self._file_starts.tolist(), self._files, strict=False):
            yield start, file.buckets()

    def keys(self, positions: Array) -> Array:
        """uint8 (positions, KEY_BYTES)."""
        found = np.empty((len(positions), KEY_BYTES), np.uint8)
        return self._gathered(positions, lambda buckets: buckets.keys, into=found)

    def signatures(self, positions: Array) -> Array:
        """uint8 (positions, SLOTS)."""
        found = np.empty((len(positions), SLOTS), np.uint8)
        return self._gathered(positions, lambda buckets: buckets.signatures, into=found)

    def sizes(self, positions: Array) -> Array:
        """int64 (positions,): how many shingles each has."""
        found = np.empty(len(positions), np.int64)
        return self._gathered(positions, lambda buckets: buckets.sizes, into=found)

    def shingles(self, positions: Array) -> tuple[Array, Array]:
        """Sorted sets of uint32, one after the other, and where each begins: int64 (positions + 1,).

        `positions` ascend.
        """
        sets = [np.zeros(0, np.uint32)]
        for number, rows, _ in _located(positions, self.starts):
            sets.append(shingles_in(self.deposits[number].path, rows))
        return np.concatenate(sets), _starts(self.sizes(positions))

    def places(self, positions: Array) -> Iterator[tuple[Deposit, int]]:
        """The deposit of each position, and the row in it."""
        which = np.searchsorted(self.starts, positions, side="right") - 1
        for deposit, position in zip(which.tolist(), positions.tolist(), strict=True):
            yield self.deposits[deposit], position - int(self.starts[deposit])

    def _gathered(self, positions: Array, column: Callable[[Buckets], Array], *, into: Array) -> Array:
        for number, rows, places in _located(positions, self._file_starts):
            found = column(self._files[number].buckets())[rows]
            if len(found) == len(into):
                return found.astype(into.dtype, copy=False)
            into[places] = found
        return into


def _starts(sizes: Iterable[int]) -> Array:
    """Where each begins, and the end: int64."""
    return np.concatenate([[0], np.cumsum(np.fromiter(sizes, np.int64))])


def _located(positions: Array, starts: Array) -> Iterator[tuple[int, Array, Array | slice]]:
    """By number of what holds them: how far in they are, and their places in `positions`, ascending."""
    if len(starts) == 2:  # one holds them all
        yield 0, positions, slice(None)
        return
    which = np.searchsorted(starts, positions, side="right") - 1
    few_bits = np.min_scalar_type(len(starts))  # which are sorted by counting
    order = np.argsort(which.astype(few_bits), kind="stable")
    bounds = np.concatenate([[0], np.cumsum(np.bincount(which, minlength=len(starts)))])
    for number in np.flatnonzero(np.diff(bounds)).tolist():
        places = order[bounds[number] : bounds[number + 1]]
        yield number, positions[places] - starts[number], places
