"""The index in memory: for the hash of a run, or of a whole short text, the eval texts that have it.

Belongs here: hash tables as sorted arrays. Does not: which texts and runs count (rules.py), or records
(match.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medallion_assets.curate.decontaminate.rules import (
    EXACT,
    NGRAMS,
    Rules,
    Runs,
    originals,
    telling_runs,
)
from medallion_assets.text.alphabet import Array, alphabet
from medallion_assets.text.words import ranges, runs_of, words_of

SHOWN = ("eval_set", "item_id", "item", "field", "matched_by")
# Filter slots per hash: at 32, one foreign hash in 32 gets past it to the binary search.
SLOTS_PER_HASH = 32
MAX_SLOT_BITS = 24


@dataclass(frozen=True)
class Postings:
    """Distinct sorted hashes, and from `first` on the places of each: text and position. `slots` filters."""

    hashes: Array
    first: Array
    text: Array
    position: Array
    slots: Array
    shift: np.uint64

    @staticmethod
    def of(runs: Runs) -> Postings:
        order = np.lexsort((runs.position, runs.text, runs.hashes))
        hashes, first = np.unique(runs.hashes[order], return_index=True)
        bits = min(max((SLOTS_PER_HASH * len(hashes)).bit_length(), 10), MAX_SLOT_BITS)
        shift = np.uint64(64 - bits)
        slots = np.zeros(1 << bits, bool)
        slots[hashes >> shift] = True
        first = np.append(first, len(order))
        return Postings(hashes, first, runs.text[order], runs.position[order], slots, shift)

    def find(self, hashes: Array) -> tuple[Array, Array]:
        """Which of these are known, and the number of each of those here."""
        at = np.flatnonzero(self.slots.take((hashes >> self.shift).view(np.int64)))
        number = np.searchsorted(self.hashes, hashes[at])
        known = number < len(self.hashes)
        known[known] = self.hashes[number[known]] == hashes[at[known]]
        return at[known], number[known]

    def places(self, numbers: Array) -> tuple[Array, Array, Array]:
        """Every place of these hashes: whose it is (as an index of `numbers`), text and position."""
        counts = self.first[numbers + 1] - self.first[numbers]
        at = ranges(self.first[numbers], counts)
        return np.repeat(np.arange(len(numbers)), counts), self.text[at], self.position[at]


@dataclass(frozen=True)
class EvalIndex:
    """The texts of all sets. `exact` has whole texts by their length in words; `pairs` are text and run."""

    rules: Rules
    texts: pa.Table
    set_of: Array
    telling_words: Array
    runs: Postings
    pairs: Array
    exact: Mapping[int, Postings]

    @staticmethod
    def of(rows: pa.Table, rules: Rules) -> EvalIndex:
        """From the rows of the table, each set's together."""
        names = rows.column("eval_set").combine_chunks().dictionary_encode()
        set_of = names.indices.to_numpy().astype(np.int64)
        sets = [
            _Set(rows.filter(pa.array(set_of == number)), rules) for number in range(len(names.dictionary))
        ]
        before = [int(np.searchsorted(set_of, number)) for number in range(len(sets))]
        runs = Postings.of(_joined([each.runs for each in sets], before))
        numbers = np.repeat(np.arange(len(runs.hashes)), np.diff(runs.first))
        return EvalIndex(
            rules=rules,
            texts=rows.select(SHOWN),
            set_of=set_of,
            telling_words=rows.column("telling_words").to_numpy(),
            runs=runs,
            pairs=np.sort(runs.text * len(runs.hashes) + numbers),
            exact={
                length: Postings.of(_joined([each.exact(length) for each in sets], before))
                for length in sorted({length for each in sets for length in each.lengths})
            },
        )

    def belong(self, texts: Array, numbers: Array) -> Array:
        """Whether each text has the run beside it; at least one text has it."""
        wanted = texts * len(self.runs.hashes) + numbers
        at = np.minimum(np.searchsorted(self.pairs, wanted), len(self.pairs) - 1)
        found: Array = self.pairs[at] == wanted
        return found


class _Set:
    """One set's texts. Of several with the same words that are matched alike only the first counts: the rest
    says no more."""

    def __init__(self, rows: pa.Table, rules: Rules) -> None:
        self._words = words_of(rows.column("text").combine_chunks(), alphabet(symbols=False))
        matched_by = rows.column("matched_by")
        same = originals(self._words)
        self._exact = _firsts(same, pc.equal(matched_by, EXACT).to_numpy())
        by_runs = _firsts(same, pc.equal(matched_by, NGRAMS).to_numpy())
        runs = telling_runs(self._words, rules)
        self.runs = runs.where(by_runs[runs.text])
        self.lengths = set(self._words.counts[self._exact].tolist())

    def exact(self, length: int) -> Runs:
        hashes, first = runs_of(self._words, length)
        chosen = np.flatnonzero(self._exact & (self._words.counts == length))
        return Runs(hashes[first[chosen]], chosen, np.zeros(len(chosen), np.int64))


def _firsts(same: Array, chosen: Array) -> Array:
    """Whether each is the first of those chosen that are the same. A short answer is not matched, say, and
    must not keep a question that has its words from being."""
    places = np.flatnonzero(chosen)
    found = np.zeros(len(same), bool)
    found[places[np.unique(same[places], return_index=True)[1]]] = True
    return found


def _joined(runs: list[Runs], before: list[int]) -> Runs:
    """As one, texts numbered through."""
    if not runs:
        return Runs(np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0, np.int64))
    return Runs(
        np.concatenate([each.hashes for each in runs]),
        np.concatenate([each.text + shift for each, shift in zip(runs, before, strict=True)]),
        np.concatenate([each.position for each in runs]),
    )
