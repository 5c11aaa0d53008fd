"""Laws of packing: a plan is a partition of the documents, tight, and a function of lengths and order."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.package.packing.pack import PACKINGS, best_fit, one_per_bin

CAPACITIES = st.integers(1, 40)


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[int], list[int], int]:
    """Lengths, an order of the documents, and a capacity that every document fits."""
    capacity = draw(CAPACITIES)
    lengths = draw(st.lists(st.integers(1, capacity), max_size=60))
    return lengths, draw(st.permutations(range(len(lengths)))), capacity


def filled(bins: list[list[int]], lengths: list[int]) -> list[int]:
    return [sum(lengths[document] for document in documents) for documents in bins]


@given(problems(), st.sampled_from([*PACKINGS]))
def test_every_document_is_in_exactly_one_bin(
    problem: tuple[list[int], list[int], int], packing: str
) -> None:
    bins = PACKINGS[packing](*problem)
    assert Counter(document for documents in bins for document in documents) == Counter(problem[1])


@given(problems(), st.sampled_from([*PACKINGS]))
def test_no_bin_is_empty_or_above_capacity(problem: tuple[list[int], list[int], int], packing: str) -> None:
    lengths, _, capacity = problem
    assert all(0 < tokens <= capacity for tokens in filled(PACKINGS[packing](*problem), lengths))


@given(problems())
def test_no_document_of_a_later_bin_would_have_fitted_an_earlier_one(problem: Any) -> None:
    lengths, _, capacity = problem
    bins = best_fit(*problem)
    room = [capacity - tokens for tokens in filled(bins, lengths)]
    shortest = [min(lengths[document] for document in documents) for documents in bins]
    assert all(room[early] < shortest[late] for late in range(len(bins)) for early in range(late))


@given(problems())
def test_bins_number_less_than_twice_the_fewest_possible(problem: tuple[list[int], list[int], int]) -> None:
    lengths, _, capacity = problem
    fewest = -(-sum(lengths) // capacity)
    assert len(best_fit(*problem)) <= max(2 * fewest - 1, 0)


@given(problems())
def test_the_lengths_in_the_bins_do_not_depend_on_the_order(
    problem: tuple[list[int], list[int], int],
) -> None:
    lengths, order, capacity = problem

    def plan(order: list[int]) -> list[list[int]]:
        return [
            [lengths[document] for document in documents] for documents in best_fit(lengths, order, capacity)
        ]

    assert plan(order) == plan(sorted(order))


@given(problems())
def test_of_equal_lengths_the_first_in_order_comes_first(problem: tuple[list[int], list[int], int]) -> None:
    lengths, order, _ = problem
    placed = [document for documents in best_fit(*problem) for document in documents]
    for length in set(lengths):
        assert [d for d in placed if lengths[d] == length] == [d for d in order if lengths[d] == length]


@given(problems())
def test_the_plan_does_not_depend_on_how_documents_are_numbered(
    problem: tuple[list[int], list[int], int],
) -> None:
    lengths, order, capacity = problem
    in_order = best_fit([lengths[document] for document in order], range(len(order)), capacity)
    assert [[order[place] for place in places] for places in in_order] == best_fit(*problem)


@pytest.mark.parametrize(
    ("lengths", "bins"),
    [
        ([], []),
        ([10], [[0]]),
        ([10, 10], [[0], [1]]),
        ([5, 5], [[0, 1]]),
        ([5, 5, 5], [[0, 1], [2]]),
        ([9, 1, 10], [[2], [0, 1]]),
        ([1] * 10, [[*range(10)]]),
        ([6, 4, 3, 1], [[0, 1], [2, 3]]),
        ([4, 3, 3, 6], [[3, 0], [1, 2]]),
        ([6, 6, 2, 2], [[0, 2, 3], [1]]),
    ],
)
def test_bins_of_ten_by_example(lengths: list[int], bins: list[list[int]]) -> None:
    assert best_fit(lengths, range(len(lengths)), 10) == bins


def test_without_packing_every_document_is_alone_in_order() -> None:
    assert one_per_bin([3, 1, 2], [2, 0, 1], 10) == [[2], [0], [1]]


def test_a_bin_is_ended_by_the_pair_that_fills_it() -> None:
    """The longest that fits beside 50 is 45, which would leave 5 empty; 30 and 20 leave nothing."""
    assert best_fit([50, 45, 30, 20], range(4), 100) == [[0, 2, 3], [1]]
