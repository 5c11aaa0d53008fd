# ruff: noqa: RUF001 (other alphabets are what it is about)
"""Laws of words: those of the documented rule, whatever stands beside them and however they are batched."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.text import words as words_module
from medallion_assets.text.alphabet import ALONE, JOINED, alphabet
from medallion_assets.text.words import Words, begins, ranges, runs_of, word_counts, words_of

FULL = alphabet(symbols=True)
# Words, signs that are words, marks, separators and characters beyond the basic plane, close together.
MIXED = st.text(
    st.sampled_from("aB1ｚ ,.+-_\n\0\u200b你ไท่éｶe\u0301한𝒳𠀋😀\U0001f3fdß")
    | st.characters(exclude_categories=["Cs"])
)
ASCII = st.text(st.characters(max_codepoint=127), max_size=40)
TEXTS = st.lists(MIXED | st.none(), max_size=8)
Span = tuple[int, int]


def spans_by_rule(text: str) -> list[Span]:
    """One character at a time."""
    found: list[Span] = []
    inside = False
    for place, character in enumerate(text):
        kind, _ = FULL.classify(character)
        if kind == ALONE or (kind == JOINED and not inside):
            found.append((place, place + 1))
        elif kind == JOINED:
            found[-1] = (found[-1][0], place + 1)
        inside = kind == JOINED
    return found


def folded(word: str) -> str:
    return "".join(chr(FULL.classify(character)[1]) for character in word)


def array(texts: Sequence[str | None]) -> pa.StringArray:
    return pa.array(texts, pa.string())


def of_each(words: Words) -> list[list[tuple[int, int, int]]]:
    """By text: hash, start and end of each word."""
    rows = list(zip(words.hashes.tolist(), words.starts.tolist(), words.ends.tolist(), strict=True))
    return [rows[first:last] for first, last in zip(words.first, words.first[1:], strict=False)]


def spans(words: Words) -> list[list[Span]]:
    return [[(start, end) for _, start, end in text] for text in of_each(words)]


@given(ASCII, st.booleans())
def test_words_of_ascii_are_those_of_a_regular_expression(text: str, symbols: bool) -> None:
    pattern = r"[A-Za-z0-9]+" + (r"""|[^\sA-Za-z0-9.,;:!?'"`\x00-\x1f\x7f]""" if symbols else "")
    expected = [match.span() for match in re.finditer(pattern, text)]
    assert spans(words_of(array([text]), alphabet(symbols=symbols))) == [expected]


@given(TEXTS)
def test_words_of_any_script_are_those_of_the_rule(texts: list[str | None]) -> None:
    assert spans(words_of(array(texts), FULL)) == [spans_by_rule(text or "") for text in texts]


@given(TEXTS)
def test_hashes_are_equal_where_folded_words_are_and_nowhere_else(texts: list[str | None]) -> None:
    found = of_each(words_of(array(texts), FULL))
    pairs = {
        (folded((text or "")[start:end]), value)
        for text, each in zip(texts, found, strict=True)
        for value, start, end in each
    }
    assert len({word for word, _ in pairs}) == len({value for _, value in pairs}) == len(pairs)


@given(TEXTS, st.booleans())
def test_words_are_counted_as_they_are_found(texts: list[str | None], symbols: bool) -> None:
    known = alphabet(symbols=symbols)
    assert word_counts(array(texts), known).tolist() == words_of(array(texts), known).counts.tolist()


@given(TEXTS)
def test_a_word_has_the_hash_that_it_has_by_itself(texts: list[str | None]) -> None:
    cuts = [
        ((text or "")[start:end], value)
        for text, each in zip(texts, of_each(words_of(array(texts), FULL)), strict=True)
        for value, start, end in each
    ]
    alone = words_of(array([cut for cut, _ in cuts]), FULL)
    assert alone.hashes.tolist() == [value for _, value in cuts]


@given(TEXTS, st.data())
def test_neither_neighbours_nor_batches_nor_slices_matter(
    texts: list[str | None], data: st.DataObject
) -> None:
    whole = of_each(words_of(array(texts), FULL))
    first, last = sorted(data.draw(st.tuples(*[st.integers(0, len(texts))] * 2)))
    sliced = array(["before", None, *texts, "after"]).slice(2 + first, last - first)
    assert of_each(words_of(sliced, FULL)) == whole[first:last]
    assert [of_each(words_of(array([text]), FULL))[0] for text in texts] == whole


@given(TEXTS, st.integers(1, 40))
def test_the_size_of_a_pass_does_not_matter(texts: list[str | None], size: int) -> None:
    whole = of_each(words_of(array(texts), FULL))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words_module, "PASS_CHARACTERS", size)
        assert of_each(words_of(array(texts), FULL)) == whole


@given(TEXTS, st.integers(1, 40), st.integers(1, 40))
def test_a_longer_text_than_may_be_is_cut(texts: list[str | None], size: int, of_a_pass: int) -> None:
    whole = of_each(words_of(array(texts), FULL))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words_module, "CUT_CHARACTERS", size)
        patch.setattr(words_module, "PASS_CHARACTERS", min(of_a_pass, size))
        found = of_each(words_of(array(texts), FULL))
    for text, expected, here in zip(texts, whole, found, strict=True):
        assert here == (expected if len(text or "") < size else in_cuts(text or "", size))


def in_cuts(text: str, size: int) -> list[tuple[int, int, int]]:
    cuts = range(0, len(text), size)
    found = of_each(words_of(array([text[cut : cut + size] for cut in cuts]), FULL))
    return [
        (value, cut + start, cut + end)
        for cut, each in zip(cuts, found, strict=True)
        for value, start, end in each
    ]


def test_a_text_that_is_cut_has_its_words_at_their_places() -> None:
    count = words_module.CUT_CHARACTERS // 4
    texts = ["before", "word " * count, None, "after"]  # every cut ends within a word but the first
    found = spans(words_of(array(texts), FULL))
    long = found[1]
    assert [len(each) for each in found] == [1, count + 1, 0, 1]
    assert long[:2] == [(0, 4), (5, 9)]
    cut = words_module.CUT_CHARACTERS
    assert [span for span in long if cut in span] == [(cut - 1, cut), (cut, cut + 3)]
    assert long[-1] == (5 * count - 5, 5 * count - 1)


@pytest.mark.parametrize("missing", range(-1, 4))
def test_texts_may_fill_a_pass_to_the_last_character(missing: int) -> None:
    """And be one more or a few less: the words are those of the texts by themselves."""
    size = words_module.PASS_CHARACTERS
    texts = ["ab " * (size // 6), "c" * (size - 3 * (size // 6) - 2 - missing), "d e"]
    expected = [words.hashes.tolist() for words in (words_of(array([text]), FULL) for text in texts)]
    found = words_of(array(texts), FULL)
    assert found.counts.tolist() == [len(each) for each in expected]
    assert found.hashes.tolist() == [value for each in expected for value in each]


@pytest.mark.parametrize("texts", [[], [None], [""], ["", None, " . "]])
def test_without_words_there_is_nothing(texts: list[str | None]) -> None:
    words = words_of(array(texts), FULL)
    assert of_each(words) == [[] for _ in texts]
    assert runs_of(words, 5)[0].tolist() == []
    assert runs_of(words, 5)[1].tolist() == [0] * (len(texts) + 1)


@given(st.lists(st.lists(st.integers(0, 5), max_size=7), max_size=6), st.integers(1, 8))
def test_runs_are_those_of_their_own_text(texts: list[list[int]], length: int) -> None:
    flat = np.array([value + 1 for text in texts for value in text], np.uint64)
    words = Words(flat, flat, flat, np.cumsum([0, *map(len, texts)]))
    hashes, first = runs_of(words, length)
    runs = [
        tuple(text[place : place + length])
        for text in texts
        for place in range(max(len(text) - length + 1, 1 if text else 0))
    ]
    counts = [max(len(text) - length + 1, 1) if text else 0 for text in texts]
    assert first.tolist() == np.cumsum([0, *counts]).tolist()
    assert len(set(zip(runs, hashes.tolist(), strict=True))) == len(set(runs)) == len(set(hashes.tolist()))


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5))))
def test_ranges_follow_each_other(given_: list[tuple[int, int]]) -> None:
    begin, counts = (np.array([pair[side] for pair in given_], np.int64) for side in (0, 1))
    expected = [begin + step for begin, count in given_ for step in range(count)]
    assert ranges(begin, counts).tolist() == expected


@given(st.lists(st.integers(0, 3)).map(sorted))
def test_every_value_begins_once(values: list[int]) -> None:
    found = np.array(values, np.int64)
    assert found[begins(found)].tolist() == sorted(set(values))
