"""Training records against the index: which items a record gives away, how far, and in which of its words.

Belongs here: a batch of rows to rows of the contamination table. Does not: the rules (rules.py), the index
(index.py), reading and writing (stages.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medallion_assets.curate.decontaminate.index import SHOWN, EvalIndex
from medallion_assets.curate.decontaminate.rules import words_in
from medallion_assets.schemas import CONTAMINATION, ORIGIN_AND_ID
from medallion_assets.text.alphabet import Array, alphabet
from medallion_assets.text.compared import PARTS, text_of
from medallion_assets.text.words import Words, begins, ranges, runs_of, words_of

MAX_MATCHING_CHARACTERS = 300


def contamination(rows: pa.Table, unit: str, index: EvalIndex, *, first: int = 0) -> pa.Table:
    """What these rows of a unit give away; `first` is the place of the first of them in its partition."""
    found = matches(text_of(rows, unit, PARTS[unit]), index)
    columns = {name: rows.column(name).take(found["row"]) for name in ORIGIN_AND_ID}
    columns |= {name: index.texts.column(name).take(found["text"]) for name in SHOWN}
    columns |= {name: found[name] for name in ("coverage", "matching_text")}
    columns["row"] = pc.add(found["row"], first)
    return pa.table([columns[name] for name in CONTAMINATION.arrow.names], schema=CONTAMINATION.arrow)


def matches(texts: pa.StringArray, index: EvalIndex) -> pa.Table:
    """Of each text and eval set, the item that the text has most of: of equals, the first.

    Columns: row; text, the number of the item's text in the index; coverage; matching_text.
    """
    said = _Said.of(texts)
    hits = _Hits.of(said, index)
    given = _Given.joined(_covered(hits, index), _exact(said, index))
    best = given.best_of(index.set_of)
    unknown = best.first < 0
    best.first[unknown], best.last[unknown] = hits.longest_stretches(
        best.row[unknown], best.text[unknown], index
    )
    stretches = zip(best.first.tolist(), best.last.tolist(), strict=True)
    return pa.table(
        {
            "row": pa.array(best.row, pa.int64()),
            "text": pa.array(best.text, pa.int64()),
            "coverage": pa.array(best.coverage, pa.float64()),
            "matching_text": pa.array([said.quoted(*stretch) for stretch in stretches], pa.string()),
        }
    )


@dataclass(frozen=True)
class _Said:
    """The words of a batch of records, found line by line; `words` begins anew with each record."""

    lines: pa.StringArray
    line_first: Array
    words: Words

    @staticmethod
    def of(texts: pa.StringArray) -> _Said:
        split = pc.split_pattern(texts, "\n")
        lines = split.flatten()
        words = words_of(lines, alphabet(symbols=False))
        first = words.first[split.offsets.to_numpy()]
        return _Said(lines, words.first, Words(words.hashes, words.starts, words.ends, first))

    def row_of(self, word: Array) -> Array:
        row: Array = np.searchsorted(self.words.first, word, side="right") - 1
        return row

    def standing_alone(self, length: int) -> Array:
        """Where so many words begin that fill lines of their own."""
        some = np.diff(self.line_first) > 0
        first, ends = self.line_first[:-1][some], np.zeros(len(self.words.hashes), bool)
        ends[self.line_first[1:][some] - 1] = True
        first = first[first + length <= len(ends)]
        first = first[ends[first + length - 1]]
        alone: Array = first[self.row_of(first) == self.row_of(first + length - 1)]
        return alone

    def quoted(self, first: int, last: int) -> str:
        """The record's own text from one word to another, cut where it is long."""
        from_line, to_line = np.searchsorted(self.line_first, [first, last], side="right").tolist()
        lines = self.lines.slice(from_line - 1, to_line - from_line + 1).to_pylist()
        lines[-1] = lines[-1][: self.words.ends[last]]
        return "\n".join(lines)[self.words.starts[first] :][:MAX_MATCHING_CHARACTERS]


@dataclass(frozen=True)
class _Hits:
    """The runs of the records that the index has, in order: whose, at which word, its number in the index."""

    row: Array
    word: Array
    number: Array

    @staticmethod
    def of(said: _Said, index: EvalIndex) -> _Hits:
        hashes, first = runs_of(said.words, index.rules.length)
        at, number = index.runs.find(hashes)
        row = np.searchsorted(first, at, side="right") - 1
        return _Hits(row, at - first[row] + said.words.first[row], number)

    def longest_stretches(self, row: Array, text: Array, index: EvalIndex) -> tuple[Array, Array]:
        """Of each row, the first and last word of its longest stretch that lies in runs of the text."""
        start, end = np.searchsorted(self.row, row), np.searchsorted(self.row, row, side="right")
        at, pair = ranges(start, end - start), np.repeat(np.arange(len(row)), end - start)
        own = index.belong(text[pair], self.number[at])
        pair, word = pair[own], self.word[at[own]]
        opens = begins(pair)
        opens[1:] |= np.diff(word) > index.rules.length
        closes = np.roll(opens, -1)
        pair, first, last = pair[opens], word[opens], word[closes]
        order = np.lexsort((first, first - last, pair))
        longest = order[begins(pair[order])]
        return first[longest], last[longest] + index.rules.length - 1


@dataclass(frozen=True)
class _Given:
    """Pairs of a row and an eval text that it gives away, and the words that do so; -1 = not yet known."""

    row: Array
    text: Array
    coverage: Array
    first: Array
    last: Array

    @staticmethod
    def joined(*given: _Given) -> _Given:
        return _Given(*map(np.concatenate, zip(*(each.columns for each in given), strict=True)))

    @property
    def columns(self) -> tuple[Array, ...]:
        return (self.row, self.text, self.coverage, self.first, self.last)

    def where(self, chosen: Array) -> _Given:
        return _Given(*(column[chosen] for column in self.columns))

    def best_of(self, set_of: Array) -> _Given:
        """For each row and set, in their order."""
        sets = set_of[self.text]
        order = np.lexsort((self.text, -self.coverage, sets, self.row))
        best = order[begins(self.row[order]) | begins(sets[order])]
        return self.where(best)


def _covered(hits: _Hits, index: EvalIndex) -> _Given:
    """Texts whose telling words recur too far in runs."""
    known, texts = max(len(index.runs.hashes), 1), max(index.texts.num_rows, 1)
    shared = np.sort(hits.row * known + hits.number)
    row, number = np.divmod(shared[begins(shared)], known)
    whose, text, position = index.runs.places(number)
    pair = row[whose] * texts + text
    order = np.lexsort((position, pair))
    pair = pair[order]
    new = begins(pair)
    group, row, text = np.cumsum(new) - 1, *np.divmod(pair[new], texts)
    words = words_in(group, position[order], length=index.rules.length, groups=len(row))
    coverage = words / index.telling_words[text]
    chosen = index.rules.contaminated(coverage)
    unknown = np.full(len(row), -1)
    return _Given(row, text, coverage, unknown, unknown).where(chosen)


def _exact(said: _Said, index: EvalIndex) -> _Given:
    """Texts too short for runs that stand by themselves, on lines of their own."""
    found = [_Given(*(np.zeros(0, np.int64) for _ in range(5)))]
    for length, known in index.exact.items():
        alone = said.standing_alone(length)
        hashes = said.words.hashes[ranges(alone, np.full(len(alone), length))]
        texts = Words(hashes, hashes, hashes, np.arange(len(alone) + 1) * length)
        at, number = known.find(runs_of(texts, length)[0])
        whose, text, _ = known.places(number)
        first = alone[at][whose]
        found.append(_Given(said.row_of(first), text, np.ones(len(text)), first, first + length - 1))
    return _Given.joined(*found)
