"""Laws of drift: samples of one kind do not drift however small they are, and what changed is named."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.checks.drift import drift

NAMES = "abcdefgh"
COUNTS = st.dictionaries(st.sampled_from(NAMES), st.integers(1, 10_000), min_size=1)


def drawn(weights: list[int], records: int, chance: Random) -> Counter[str]:
    return Counter(chance.choices(NAMES[: len(weights)], weights, k=records))


@given(
    st.lists(st.integers(1, 100), min_size=1, max_size=8),
    st.integers(5, 300),
    st.integers(5, 3000),
    st.integers(0, 1 << 30),
)
def test_samples_of_one_kind_hardly_drift(weights: list[int], records: int, before: int, seed: int) -> None:
    chance = Random(seed)
    assert drift(drawn(weights, records, chance), drawn(weights, before, chance)) < 0.25


@given(COUNTS)
def test_what_is_the_same_does_not_drift(counts: dict[str, int]) -> None:
    assert drift(counts, counts) == 0


@given(COUNTS, COUNTS)
def test_drift_is_a_distance_from_0_to_1_the_same_both_ways(
    some: dict[str, int], others: dict[str, int]
) -> None:
    assert 0 <= drift(some, others) <= 1
    assert drift(some, others) == pytest.approx(drift(others, some))


@pytest.mark.parametrize(("records", "least"), [(10, 0.0), (100, 0.8), (10_000, 0.99)])
def test_nothing_in_common_is_seen_the_better_the_more_there_is(records: int, least: float) -> None:
    assert drift({"en": records}, {"de": 10_000}) >= least


def test_a_tenth_in_another_language_is_more_than_chance_and_within_bounds() -> None:
    assert 0.15 < drift({"en": 450, "de": 50}, {"en": 7_000}) < 0.25


def test_a_fifth_is_told() -> None:
    assert drift({"en": 400, "de": 100}, {"en": 7_000}) > 0.25
