"""Laws of the documents of a partition: kept to the token, and shuffled by what they are alone."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.package.list_columns import borders
from medallion_assets.package.packing.documents import Documents
from medallion_assets.package.packing.pack import PACKINGS
from medallion_assets.package.packing.too_long import Ranges
from medallion_assets.package.tokens.encode import Flat
from medallion_assets.records import content_id

# By record: the lengths of its pieces, and how often it is taken.
RECORDS = st.lists(
    st.tuples(st.lists(st.integers(1, 12), min_size=1, max_size=3), st.integers(1, 3)), max_size=25
)
Document = tuple[str, int, int]  # record id, offset, length


def kept(
    documents: Documents, records: list[tuple[int, tuple[list[int], int]]], *, at_once: int = 1
) -> list[Document]:
    """Fills it with these numbered records, so many at once; returns what should be in it."""
    taken = [
        (content_id(number), lengths, number) for number, (lengths, times) in records for _ in range(times)
    ]
    for start in range(0, len(taken), at_once):
        put(documents, taken[start : start + at_once])
    return [
        (record_id, start, end - start)
        for record_id, lengths, _ in taken
        for start, end in itertools.pairwise(borders(np.array(lengths)).tolist())
    ]


def put(documents: Documents, records: list[tuple[str, list[int], int]]) -> None:
    """By record its id, the lengths of its pieces, and a number that its tokens tell."""
    pieces = np.array([length for _, lengths, _ in records for length in lengths])
    places = np.repeat(np.arange(len(records)), [len(lengths) for _, lengths, _ in records])
    whole = borders(np.bincount(places, pieces).astype(np.int64))
    tokens = [number * 1000 + at for _, lengths, number in records for at in range(sum(lengths))]
    ends = np.cumsum(pieces) - whole[places]
    signed = Flat(np.array(tokens, np.int32), whole)
    documents.extend([record_id for record_id, _, _ in records], signed, Ranges(places, ends - pieces, ends))


def plan(
    records: list[tuple[int, tuple[list[int], int]]], packing: str, *, at_once: int = 1
) -> list[list[Document]]:
    """The bins in training order, as what lies in them."""
    with TemporaryDirectory() as folder, Documents(Path(folder)) as documents:
        kept(documents, records, at_once=at_once)
        bins = documents.shuffled(PACKINGS[packing](documents.lengths, documents.packing_order(), 12))
        return [
            list(
                zip(
                    documents.record_ids(bin_),
                    documents.offsets(bin_),
                    [documents.lengths[each] for each in bin_],
                    strict=True,
                )
            )
            for bin_ in bins
        ]


@given(RECORDS, st.sampled_from([*PACKINGS]), st.integers(1, 30))
@settings(max_examples=50)
def test_every_document_and_token_is_packed_once(records: Any, packing: str, at_once: int) -> None:
    numbered = list(enumerate(records))
    with TemporaryDirectory() as folder, Documents(Path(folder)) as documents:
        expected = kept(documents, numbered, at_once=at_once)
        everything = list(range(len(expected)))
        tokens = documents.tokens(everything).tolist()
        assert tokens == [
            int(record * 1000 + at)
            for record, (lengths, times) in numbered
            for _ in range(times)
            for at in range(sum(lengths))
        ]
    bins = plan(numbered, packing, at_once=at_once)
    assert Counter(each for bin_ in bins for each in bin_) == Counter(expected)
    assert bins == plan(numbered, packing)


@given(RECORDS, st.randoms(use_true_random=False), st.sampled_from([*PACKINGS]))
@settings(max_examples=50)
def test_the_order_in_which_records_come_changes_nothing(records: Any, chance: Any, packing: str) -> None:
    numbered = list(enumerate(records))
    shuffled = numbered.copy()
    chance.shuffle(shuffled)
    assert plan(shuffled, packing) == plan(numbered, packing)


@pytest.mark.parametrize("packing", [*PACKINGS])
def test_copies_are_not_kept_together(packing: str) -> None:
    bins = plan([(number, ([5], 2)) for number in range(400)], packing)
    together = sum(len({name for name, _, _ in bin_}) < len(bin_) for bin_ in bins)
    neighbours = sum(bool(set(one) & set(next_)) for one, next_ in itertools.pairwise(bins))
    assert together + neighbours < 12


def test_training_order_says_nothing_of_the_order_of_packing(tmp_path: Path) -> None:
    """As packed, the longest documents come first; sorted by ids that also break ties, they still would."""
    with Documents(tmp_path) as documents:
        kept(documents, [(number, ([number % 12 + 1], 1)) for number in range(6000)])
        packed = PACKINGS["best_fit"](documents.lengths, documents.packing_order(), 12)
        place = {id(bin_): number for number, bin_ in enumerate(packed)}
        order = [place[id(bin_)] for bin_ in documents.shuffled(packed)]
    assert sorted(order) == list(range(len(packed)))
    assert abs(np.corrcoef(order, range(len(order)))[0, 1]) < 0.05


def test_the_summary_counts_a_repeated_record_once_and_its_tokens_each_time(tmp_path: Path) -> None:
    with Documents(tmp_path) as documents:
        names = [content_id(name) for name in (1, 1, 2, 2, 3, 3)]
        tokens = Flat(np.zeros(60, np.int32), np.arange(0, 61, 10))
        places, ends = np.array([0, 1, 2, 2, 3, 3, 4, 5]), np.array([10, 10, 6, 10, 6, 10, 8, 8])
        documents.extend(names, tokens, Ranges(places, np.array([0, 0, 0, 6, 0, 6, 0, 0]), ends))
        assert documents.summary() == {
            "records": 3,
            "documents": 8,
            "tokens": 56,
            "split_records": 1,
            "pieces": 4,
            "truncated_records": 1,
            "tokens_cut": 4,
        }
