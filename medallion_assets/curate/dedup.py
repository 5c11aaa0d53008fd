"""Duplicates under the survivor rule: of records that match, the first in order survives.

Belongs here: which pairs are compared, how alike they are, and the twin of each duplicate. Does not: where
fingerprints lie (history.py, buckets.py) or what becomes of the rows (stage.py).
A record is a duplicate if an earlier one matches it, be that one a duplicate itself or not; so the verdict on
a day follows from what landed up to it, whatever was computed when.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medallion_assets.curate.buckets import KEY_BAND, buckets_of, key_values, members, stretches
from medallion_assets.curate.history import Deposit, History
from medallion_assets.curate.minhash import BANDS, MARGIN, agreement, bands
from medallion_assets.text.alphabet import Array
from medallion_assets.text.words import begins, ranges

# Of records that share a band, the first so many are looked at: templates must not make it quadratic.
MOST_OF_A_BUCKET = 256
# Of those that a record may repeat, the likeliest so many are compared in full.
MOST_COMPARED = 32
# What a pass holds at once: 16 bytes a pair, and 16 a shingle.
PASS_PAIRS = 1 << 21
PASS_SHINGLES = 1 << 22


@dataclass(frozen=True)
class Twin:
    """The earlier record that a duplicate repeats, and how alike they are: 1 for equal keys."""

    deposit: Deposit
    row: int
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


def twins_of_today(
    deposits: Sequence[Deposit], today: str, *, threshold: float | None, folder: Path
) -> dict[str, dict[int, Twin]]:
    """By source, today's rows that do not survive, by their place in the partition.

    `deposits` reach up to today, in order. Equal keys match; so do shingles of this Jaccard similarity, if a
    threshold is given. `folder` keeps buckets from one day to the next.
    """
    history = History(deposits)
    first = sum(each.rows for each in deposits if each.day < today)
    same, near = _candidates(history, first, threshold=threshold, folder=folder)
    similar, similarity = _alike(history, _unsettled(near, same), threshold or 1.0)
    found: dict[str, dict[int, Twin]] = {}
    for pairs, likeness, equal in (
        (same, np.ones(len(same)), True),
        (similar, similarity, False),
    ):
        rows = zip(history.places(pairs.later), history.places(pairs.earlier), likeness.tolist(), strict=True)
        for (deposit, row), twin, alike in rows:
            found.setdefault(deposit.source, {})[row] = Twin(*twin, alike, equal)
    return found


def _candidates(
    history: History, first: int, *, threshold: float | None, folder: Path
) -> tuple[Pairs, Pairs]:
    """Pairs with equal keys, one for each later record; and those whose signatures are alike."""
    positions = np.arange(first, len(history))
    if not len(positions):
        return Pairs(positions, positions), Pairs(positions, positions)
    kept = [buckets_of(stretch, folder) for stretch in stretches(history.deposits)]
    keys, signatures = history.keys(positions), history.signatures(positions)
    sharing = _sharing(kept, KEY_BAND, key_values(keys), positions)
    same = [_same_key(history, pairs) for pairs in sharing]
    near: list[Pairs] = []
    if threshold is not None:
        compared = positions[signatures.any(axis=1)]
        values = bands(signatures)[compared - first]
        near = [
            pairs.where(_estimates(history, pairs, signatures, first) >= threshold - MARGIN)
            for band in range(BANDS)
            for pairs in _sharing(kept, band, values[:, band], compared)
        ]
    return _earliest(_joined(same)), _joined(near)


def _sharing(kept: Sequence[Array], band: int, values: Array, positions: Array) -> Iterator[Pairs]:
    """All pairs of a record in `positions` with an earlier one of the same value in this band, in passes."""
    distinct, which = np.unique(values, return_inverse=True)
    left = np.full(len(distinct), MOST_OF_A_BUCKET)
    value, place, before = [], [], 0
    for buckets in kept:
        counts, places = members(buckets[band], distinct, left)
        value.append(np.repeat(np.arange(len(distinct)), counts))
        place.append(places + before)
        left -= counts
        before += buckets.shape[1]
    values_found = np.concatenate(value)
    order = np.argsort(values_found, kind="stable")
    found = np.concatenate(place)[order]
    sizes = np.bincount(values_found, minlength=len(distinct))
    starts = np.cumsum(sizes) - sizes
    for here in _passes(np.cumsum(sizes[which]), PASS_PAIRS):
        earlier = found[ranges(starts[which[here]], sizes[which[here]])]
        pairs = Pairs(np.repeat(positions[here], sizes[which[here]]), earlier)
        yield pairs.where(pairs.earlier < pairs.later)


def _same_key(history: History, pairs: Pairs) -> Pairs:
    return pairs.where((history.keys(pairs.later) == history.keys(pairs.earlier)).all(axis=1))


def _estimates(history: History, pairs: Pairs, signatures: Array, first: int) -> Array:
    """How alike pairs seem; `signatures` are those of the records from `first` on."""
    return agreement(signatures[pairs.later - first], history.signatures(pairs.earlier))


def _joined(several: Sequence[Pairs]) -> Pairs:
    """Each pair once, by its later record, then by its earlier one."""
    later = np.concatenate([np.zeros(0, np.int64), *(pairs.later for pairs in several)])
    earlier = np.concatenate([np.zeros(0, np.int64), *(pairs.earlier for pairs in several)])
    order = np.lexsort((earlier, later))
    later, earlier = later[order], earlier[order]
    new = np.ones(len(later), bool)
    new[1:] = (later[1:] != later[:-1]) | (earlier[1:] != earlier[:-1])
    return Pairs(later[new], earlier[new])


def _earliest(pairs: Pairs) -> Pairs:
    """Of sorted pairs, the first of each later record."""
    return pairs.where(begins(pairs.later))


def _unsettled(near: Pairs, same: Pairs) -> Pairs:
    """Without the records that are duplicates already."""
    return near.where(~np.isin(near.later, same.later))


def _alike(history: History, pairs: Pairs, threshold: float) -> tuple[Pairs, Array]:
    """Of each later record the pair that is most alike, the earliest of equals, if alike enough."""
    likeliest = _likeliest(history, pairs)
    similarity = _similarities(history, likeliest)
    enough = similarity >= threshold
    matched, similarity = likeliest.where(enough), similarity[enough]
    order = np.lexsort((matched.earlier, -similarity, matched.later))
    matched, similarity = matched.where(order), similarity[order]
    best = begins(matched.later)
    return matched.where(best), similarity[best]


def _likeliest(history: History, pairs: Pairs) -> Pairs:
    """At most MOST_COMPARED pairs of each later record: by their signatures, then the earliest."""
    sizes = np.diff(np.append(np.flatnonzero(begins(pairs.later)), len(pairs)))
    if not len(sizes) or sizes.max() <= MOST_COMPARED:
        return pairs
    estimate = agreement(history.signatures(pairs.later), history.signatures(pairs.earlier))
    order = np.lexsort((pairs.earlier, -estimate, pairs.later))
    rank = ranges(np.zeros(len(sizes), np.int64), sizes)
    return pairs.where(order[rank < MOST_COMPARED])


def _similarities(history: History, pairs: Pairs) -> Array:
    """Jaccard similarity of the pairs' shingle sets."""
    found = np.zeros(len(pairs))
    held = np.cumsum(history.sizes(pairs.later) + history.sizes(pairs.earlier))
    for here in _passes(held, PASS_SHINGLES):
        found[here] = _jaccard(history.shingles(pairs.later[here]), history.shingles(pairs.earlier[here]))
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
