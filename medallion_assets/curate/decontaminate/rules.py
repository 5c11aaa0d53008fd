"""The rules of decontamination, and which texts of an evaluation set they can match.

Belongs here: runs of words that say something, and a text's row in the index. Does not: looking them up
(index.py) or judging records (match.py). Each set is taken by itself, so none changes another's verdicts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medallion_assets.schemas import EVAL_INDEX
from medallion_assets.text.alphabet import BASIC_PLANE, JOINED, Array, alphabet
from medallion_assets.text.words import Words, begins, runs_of, words_of

COVERAGE, ANY_MATCH = "coverage", "any_match"
NGRAMS, EXACT, NOTHING = "ngrams", "exact", "nothing"
# Tulu 3 and Olmo 3 cover an item by 8-grams; GPT-3 took any shared 13-gram.
NGRAM_WORDS: Mapping[str, int] = {COVERAGE: 8, ANY_MATCH: 13}
MIN_EXACT_WORDS = 3


@dataclass(frozen=True)
class Rules:
    """When a record gives an item away. `ngram` is None for the rule's own length."""

    rule: str = COVERAGE
    ngram: int | None = None
    min_coverage: float = 0.5
    boilerplate_items: int = 10

    @property
    def length(self) -> int:
        """Words of a run."""
        return NGRAM_WORDS[self.rule] if self.ngram is None else self.ngram

    def contaminated(self, coverage: Array) -> Array:
        """Of texts that share a run, those shared too far, by the share of their telling words."""
        return np.full(len(coverage), True) if self.rule == ANY_MATCH else coverage >= self.min_coverage


@dataclass(frozen=True)
class Runs:
    """Runs of words of several texts, sorted by text and position. int64, hashes uint64."""

    hashes: Array
    text: Array
    position: Array

    def where(self, chosen: Array) -> Runs:
        return Runs(self.hashes[chosen], self.text[chosen], self.position[chosen])


def index_rows(eval_set: str, items: pa.Table, *, question: str, rules: Rules) -> pa.Table:
    """The rows of the index for a set's items; only texts of the field `question` are matched exactly."""
    lists = items.column("texts").combine_chunks()
    parents, texts = pc.list_parent_indices(lists), lists.flatten()
    words = words_of(texts.field("text"), alphabet(symbols=False))
    runs = telling_runs(words, rules)
    telling = words_in(runs.text, runs.position, length=rules.length, groups=len(texts))
    is_question = pc.equal(texts.field("field"), question).to_numpy(zero_copy_only=False)
    exactly = is_question & (words.counts >= MIN_EXACT_WORDS)
    columns = {
        "eval_set": pa.array([eval_set] * len(texts), pa.string()),
        "item_id": items.column("record_id").combine_chunks().take(parents),
        "item": items.column("item").combine_chunks().take(parents),
        "field": texts.field("field"),
        "text": texts.field("text"),
        "words": pa.array(words.counts, pa.int64()),
        "telling_words": pa.array(telling, pa.int64()),
        "matched_by": pa.array(np.where(telling > 0, NGRAMS, np.where(exactly, EXACT, NOTHING)), pa.string()),
    }
    return pa.table(columns, schema=EVAL_INDEX.arrow)


def telling_runs(words: Words, rules: Rules) -> Runs:
    """The runs of one set's texts, but those of many of its texts and those that are mostly letters."""
    runs = _runs(words, rules.length)
    return runs.where(
        ~_is_boilerplate(words, runs, rules.boilerplate_items) & ~_is_letters(words, runs, rules)
    )


def words_in(group: Array, position: Array, *, length: int, groups: int) -> Array:
    """By group, how many words lie in its runs; these are sorted by group and position."""
    apart = np.full(len(position), length)
    same = group[1:] == group[:-1]
    apart[:-1][same] = np.minimum(position[1:] - position[:-1], length)[same]
    counts: Array = np.bincount(group, apart, groups).astype(np.int64)
    return counts


def originals(words: Words) -> Array:
    """For each text, the first with exactly the same words."""
    cuts = [
        words.hashes[start:end].tobytes() for start, end in zip(words.first, words.first[1:], strict=False)
    ]
    seen: dict[bytes, int] = {}
    return np.array([seen.setdefault(cut, number) for number, cut in enumerate(cuts)], np.int64)


def _runs(words: Words, length: int) -> Runs:
    """Those of texts that are long enough."""
    hashes, first = runs_of(words, length)
    text = np.repeat(np.arange(len(words.counts)), np.diff(first))
    runs = Runs(hashes, text, np.arange(len(hashes)) - first[text])
    return runs.where((words.counts >= length)[text])


def _is_boilerplate(words: Words, runs: Runs, most: int) -> Array:
    """Runs in more distinct texts than `most`; a text delivered twice counts once."""
    once = runs.where((originals(words) == np.arange(len(words.counts)))[runs.text])
    order = np.lexsort((once.text, once.hashes))
    hashes, text = once.hashes[order], once.text[order]
    found, texts = np.unique(hashes[begins(hashes) | begins(text)], return_counts=True)
    return np.isin(runs.hashes, found[texts > most])


def _is_letters(words: Words, runs: Runs, rules: Rules) -> Array:
    """Runs of which more than half are single letters or digits, as formulas and enumerations have them."""
    single = (words.ends - words.starts == 1) & np.isin(words.hashes, _letters())
    before = np.concatenate([[0], np.cumsum(single)])
    begin = words.first[runs.text] + runs.position
    mostly: Array = 2 * (before[begin + rules.length] - before[begin]) > rules.length
    return mostly


@cache
def _letters() -> Array:
    """Words of one character in scripts whose characters join: a sign of an unspaced script says more."""
    classes = alphabet(symbols=False).classes
    joining = [chr(code) for code in range(BASIC_PLANE) if classes[code] == JOINED]
    return np.unique(words_of(pa.array(joining), alphabet(symbols=False)).hashes)
