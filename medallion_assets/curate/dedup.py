"""Duplicates under the survivor rule: of records that match, the first in order survives.

Belongs here: which pairs are compared, how alike they are, and the twin of each duplicate. Does not: where
fingerprints lie (history.py) or what becomes of the rows (stage.py).
A record is a duplicate if an earlier one matches it, be that one a duplicate itself or not; so the verdict on
a day follows from what landed up to it, whatever was computed when.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medallion_assets.curate.buckets import KEY_BAND, PLACE_BITS, key_values, members
from medallion_assets.curate.deposits import Deposit
from medallion_assets.curate.history import History
from medallion_assets.curate.minhash import BANDS, MARGIN, agreement, bands
from medallion_assets.text.alphabet import Array
from medallion_assets.text.words import begins, ranges

# Of records that share a band, the first so many are looked at: templates must not make it quadratic.
MOST_OF_A_BUCKET = 256
# Of those that a record may repeat, the likeliest so many are compared in full.
MOST_COMPARED = 32
# What a pass holds at once: some 200 bytes a pair, and 50 a shingle, which fit a core's cache.
PASS_RECORDS = 1 << 14
PASS_PAIRS = 1 << 16
PASS_SHINGLES = 1 << 17


@dataclass(frozen=True)
class Twin:
    """The earlier record that a duplicate repeats, its key, and how alike they are: 1 for equal keys."""

    deposit: Deposit
    row: int
    key: bytes
    similarity: float
    same_key: bool


@dataclass(frozen=True)
class Pairs:
    """Records of today and earlier ones, by position in the history: int64 (pairs,) both."""

    later: Array
    earlier: Array

    def where(self, chosen: Array) -> Pairs:
        return Pairs(self.later[chosen], self.earlier[chosen])

    def __len__(self) -> int:
        return len(self.later)


NO_PAIRS = Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64))


def twins_of_today(
    deposits: Sequence[Deposit], today: str, *, threshold: float | None, folder: Path
) -> dict[str, dict[int, Twin]]:
    """By source, today's rows that do not survive, by their place in the partition.

    `deposits` reach up to today, in order. Equal keys match; so do shingles of this Jaccard similarity, if a
    threshold is given. `folder` keeps buckets from one day to the next.
    """
    history = History(deposits, folder)
    positions = np.arange(sum(each.rows for each in deposits if each.day < today), len(history))
    same = _same_key(history, positions)
    similar, similarity = _similar(history, np.setdiff1d(positions, same.later), threshold)
    found: dict[str, dict[int, Twin]] = {}
    for pairs, likeness, equal in ((same, np.ones(len(same)), True), (similar, similarity, False)):
        earlier = zip(history.places(pairs.earlier), history.keys(pairs.earlier), strict=True)
        rows = zip(history.places(pairs.later), earlier, likeness.tolist(), strict=True)
        for (deposit, row), (twin, key), alike in rows:
            found.setdefault(deposit.source, {})[row] = Twin(*twin, key.tobytes(), alike, equal)
    return found


def _same_key(history: History, positions: Array) -> Pairs:
    """Of each record whose key an earlier one has, the pair with the first of those."""
    found = [NO_PAIRS]
    for here in _slices(positions):
        shared = _Shared.of(history, KEY_BAND, key_values(history.keys(here)))
        for part in _passes(np.cumsum(shared.sizes), PASS_PAIRS):
            pairs = shared.pairs(here, part)
            equal = (history.keys(pairs.later) == history.keys(pairs.earlier)).all(axis=1)
            matched = pairs.where(equal)
            found.append(matched.where(begins(matched.later)))
    return _concatenated(found)


def _similar(history: History, positions: Array, threshold: float | None) -> tuple[Pairs, Array]:
    """Of each record that an earlier one is like, the pair that is most alike, and how much."""
    if threshold is None:
        return NO_PAIRS, np.zeros(0)
    compared = positions[history.sizes(positions) > 0]
    found = [NO_PAIRS]
    for here in _slices(compared):
        found += _likely(history, here, threshold)
    return _alike(history, _concatenated(found), threshold)


def _likely(history: History, positions: Array, threshold: float) -> Iterator[Pairs]:
    """Pairs that share a band and whose signatures are alike, at most MOST_COMPARED of each later record."""
    values = bands(history.signatures(positions))
    shared = [_Shared.of(history, band, values[:, band]) for band in range(BANDS)]
    for part in _passes(np.cumsum(sum(each.sizes for each in shared)), PASS_PAIRS):
        pairs = _once(_concatenated([each.pairs(positions, part) for each in shared]))
        estimate = agreement(history.signatures(pairs.later), history.signatures(pairs.earlier))
        yield _likeliest(pairs, estimate, least=threshold - MARGIN)


@dataclass(frozen=True)
class _Shared:
    """By record, those that have its value of a band: `sizes` of them in `found`, from `starts` on."""

    sizes: Array
    starts: Array
    found: Array

    @staticmethod
    def of(history: History, band: int, values: Array) -> _Shared:
        distinct, which = np.unique(values, return_inverse=True)
        left = np.full(len(distinct), MOST_OF_A_BUCKET)
        value, position = [], []
        for start, buckets in history.buckets():
            held, counts, places = members(buckets.bands[band], distinct, left)
            value.append(np.repeat(held, counts))
            position.append(places + start)
            left[held] -= counts
        values_found = np.concatenate(value)
        sizes = np.bincount(values_found, minlength=len(distinct))
        found = np.concatenate(position)[np.argsort(values_found, kind="stable")]
        return _Shared(sizes[which], (np.cumsum(sizes) - sizes)[which], found)

    def pairs(self, positions: Array, part: slice) -> Pairs:
        """Of the records in `part` with those before them, by the later one, then by the earlier one."""
        sizes = self.sizes[part]
        pairs = Pairs(np.repeat(positions[part], sizes), self.found[ranges(self.starts[part], sizes)])
        return pairs.where(pairs.earlier < pairs.later)


def _slices(positions: Array) -> Iterator[Array]:
    yield from (positions[start : start + PASS_RECORDS] for start in range(0, len(positions), PASS_RECORDS))


def _concatenated(several: Sequence[Pairs]) -> Pairs:
    return Pairs(
        np.concatenate([pairs.later for pairs in several]),
        np.concatenate([pairs.earlier for pairs in several]),
    )


def _once(pairs: Pairs) -> Pairs:
    """Each pair once, by its later record, then by its earlier one."""
    both = (pairs.later.astype(np.uint64) << PLACE_BITS) | pairs.earlier.astype(np.uint64)
    both.sort(kind="stable")  # runs, one a band, which this only merges
    both = both[begins(both)]
    return Pairs((both >> PLACE_BITS).astype(np.int64), both.astype(np.uint32).astype(np.int64))


def _likeliest(pairs: Pairs, estimate: Array, *, least: float) -> Pairs:
    """At most MOST_COMPARED of each later record: those that seem most alike, then the earliest."""
    enough = estimate >= least
    pairs, estimate = pairs.where(enough), estimate[enough]
    order = np.lexsort((pairs.earlier, -estimate, pairs.later))
    sizes = np.diff(np.append(np.flatnonzero(begins(pairs.later)), len(pairs)))
    rank = ranges(np.zeros(len(sizes), np.int64), sizes)
    return pairs.where(order[rank < MOST_COMPARED])


def _alike(history: History, pairs: Pairs, threshold: float) -> tuple[Pairs, Array]:
    """Of each later record the pair that is most alike, the earliest of equals, if alike enough."""
    similarity = _similarities(history, pairs)
    enough = similarity >= threshold
    matched, similarity = pairs.where(enough), similarity[enough]
    order = np.lexsort((matched.earlier, -similarity, matched.later))
    matched, similarity = matched.where(order), similarity[order]
    best = begins(matched.later)
    return matched.where(best), similarity[best]


def _similarities(history: History, pairs: Pairs) -> Array:
    """Jaccard similarity of the pairs' shingle sets."""
    found = np.zeros(len(pairs))
    positions, which = np.unique(np.concatenate([pairs.later, pairs.earlier]), return_inverse=True)
    later, earlier = which.reshape(2, -1)
    sizes = history.sizes(positions)
    for here in _passes(np.cumsum(sizes[later] + sizes[earlier]), PASS_SHINGLES):
        found[here] = _jaccard(*_sets(history, positions, later[here], earlier[here]))
    return found


def _sets(history: History, positions: Array, *sides: Array) -> list[tuple[Array, Array]]:
    """The shingles at these places of `positions`, by side; each record is looked up once."""
    needed = np.unique(np.concatenate(sides))
    shingles, first = history.shingles(positions[needed])
    counts = np.diff(first)
    found = []
    for side in sides:
        place = np.searchsorted(needed, side)
        held = counts[place]
        found.append((shingles[ranges(first[place], held)], np.concatenate([[0], np.cumsum(held)])))
    return found


def _passes(totals: Array, most: int) -> Iterator[slice]:
    """Slices of at most `most`, by running totals; what is more by itself comes alone."""
    start = 0
    while start < len(totals):
        before = totals[start - 1] if start else 0
        end = max(int(np.searchsorted(totals, before + most, side="right")), start + 1)
        yield slice(start, end)
        start = end


def _jaccard(some: tuple[Array, Array], others: tuple[Array, Array]) -> Array:
    """Pair by pair, of sorted sets that lie one after the other."""
    sizes = np.diff(some[1]), np.diff(others[1])
    numbers = np.arange(len(sizes[0]), dtype=np.uint64) << np.uint64(32)
    tagged = [np.repeat(numbers, size) | sets[0] for sets, size in zip((some, others), sizes, strict=True)]
    both = np.concatenate(tagged)
    both.sort(kind="stable")  # two sorted runs, which this only merges
    shared = both[1:][both[1:] == both[:-1]]
    common = np.bincount((shared >> np.uint64(32)).astype(np.int64), minlength=len(numbers))
    similarity: Array = common / np.maximum(sizes[0] + sizes[1] - common, 1)
    return similarity
