"""Laws of length: what goes on is learnable and short enough; nothing is lost but what is said to be cut."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.package.list_columns import borders
from medallion_assets.package.packing.too_long import TOO_LONG, answer_ends, ranges_of
from medallion_assets.package.recipe import Packaging
from medallion_assets.package.tokens.encode import Flat, Signed
from medallion_assets.records import Rejected


def signed(pattern: str) -> Signed:
    """One token a letter: `a` is learned, anything else is context."""
    return np.array([n if letter == "a" else ~n for n, letter in enumerate(pattern)], np.int32)


CONVERSATIONS = st.text("aq", min_size=1, max_size=40).map(signed)
LENGTHS = st.integers(1, 45)


def went_on(tokens: Signed, too_long: str, max_length: int) -> list[Signed] | Rejected:
    [found] = together([tokens], too_long, max_length)
    return found


def together(texts: list[Signed], too_long: str, max_length: int) -> list[list[Signed] | Rejected]:
    flat = Flat(
        np.concatenate([np.empty(0, np.int32), *texts]), borders(np.array([*map(len, texts)], np.int64))
    )
    ranges, rejects = ranges_of(flat, Packaging(max_length, too_long))
    documents = np.stack([ranges.places, ranges.starts, ranges.ends], axis=1).tolist()
    return [
        rejects.get(place, [texts[place][start:end] for of, start, end in documents if of == place])
        for place in range(len(texts))
    ]


@given(CONVERSATIONS, st.sampled_from([*TOO_LONG]), LENGTHS)
def test_documents_are_learnable_and_short_enough(tokens: Signed, too_long: str, max_length: int) -> None:
    found = went_on(tokens, too_long, max_length)
    if isinstance(found, Rejected):
        assert found.reason in ("too_long", "nothing_to_learn")
    else:
        assert all(len(each) <= max_length and (each >= 0).any() for each in found)


@given(st.lists(st.text("aq", max_size=20).map(signed), max_size=8), st.sampled_from([*TOO_LONG]), LENGTHS)
def test_each_of_many_goes_on_as_it_would_alone(texts: list[Signed], too_long: str, max_length: int) -> None:
    found = together(texts, too_long, max_length)
    assert str(found) == str([went_on(each, too_long, max_length) for each in texts])


@given(CONVERSATIONS, st.sampled_from([*TOO_LONG]))
def test_what_fits_goes_on_whole_whatever_the_policy(tokens: Signed, too_long: str) -> None:
    found = went_on(tokens, too_long, len(tokens))
    assert isinstance(found, Rejected) == (not (tokens >= 0).any())
    if not isinstance(found, Rejected):
        assert [each.tolist() for each in found] == [tokens.tolist()]


@given(CONVERSATIONS, LENGTHS)
def test_pieces_make_the_whole_again(tokens: Signed, max_length: int) -> None:
    found = went_on(tokens, "split", max_length)
    if not isinstance(found, Rejected):
        assert np.concatenate(found).tolist() == tokens.tolist()


@given(CONVERSATIONS, LENGTHS)
def test_pieces_but_the_last_end_with_an_answer(tokens: Signed, max_length: int) -> None:
    found = went_on(tokens, "split", max_length)
    if not isinstance(found, Rejected):
        ends = np.cumsum([len(each) for each in found])[:-1].tolist()
        assert set(ends) <= set(answer_ends(tokens))


@given(CONVERSATIONS, LENGTHS)
def test_no_two_neighbours_would_have_been_one_piece(tokens: Signed, max_length: int) -> None:
    """Each piece and the first answer of the next are too long together."""
    found = went_on(tokens, "split", max_length)
    if not isinstance(found, Rejected):
        for piece, after in pairwise(found):
            ends = answer_ends(after)
            first = ends[0] if len(ends) > 1 else len(after)
            assert len(piece) + first > max_length


@given(CONVERSATIONS, LENGTHS)
def test_truncation_keeps_the_beginning(tokens: Signed, max_length: int) -> None:
    found = went_on(tokens, "truncate", max_length)
    if not isinstance(found, Rejected):
        assert [each.tolist() for each in found] == [tokens[:max_length].tolist()]


@pytest.mark.parametrize(
    ("pattern", "max_length", "pieces"),
    [
        ("qaaqqaqa", 5, ["qaa", "qqaqa"]),
        ("qaaqqaqa", 3, ["qaa", "qqa", "qa"]),
        ("qaaqqaqaqq", 7, ["qaaqqa", "qaqq"]),
        ("qaaqqaqaq", 4, ["qaa", "qqa", "qaq"]),
    ],
)
def test_splits_by_example(pattern: str, max_length: int, pieces: list[str]) -> None:
    found = went_on(signed(pattern), "split", max_length)
    assert not isinstance(found, Rejected)
    assert ["".join("a" if token >= 0 else "q" for token in each) for each in found] == pieces


@pytest.mark.parametrize(
    ("too_long", "pattern", "reason", "detail"),
    [
        ("reject", "qqqqaa", "too_long", "6 tokens; max_length is 4"),
        (
            *("split", "qaqqqqaa", "too_long"),
            "8 tokens, of them 6 without an answer's end to split at; max_length is 4",
        ),
        ("split", "qqqqqq", "nothing_to_learn", "the template leaves no token of the assistant's"),
        (
            *("truncate", "qqqqaa", "nothing_to_learn"),
            "the first 4 of 6 tokens, which are kept, hold none of the assistant's",
        ),
    ],
)
def test_what_can_not_be_made_to_fit_is_rejected_whole(
    too_long: str, pattern: str, reason: str, detail: str
) -> None:
    found = went_on(signed(pattern), too_long, 4)
    assert isinstance(found, Rejected)
    assert (found.reason, found.detail) == (reason, detail)
