"""Laws of what is usual: chance and a bad day are forgiven, a change is not."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.checks.baseline import LEAST_DAYS, days_before
from medallion_assets.checks.usual import LEAST_DIFFERENCE, Share, usual

DAYS = [f"2024-09-{day:02}" for day in range(1, 31)]


def share(part: int, whole: int) -> Share:
    return Share(part, whole, {})


def drawn(rate: float, records: int, chance: Random) -> Share:
    return share(sum(chance.random() < rate for _ in range(records)), records)


@given(st.floats(0, 1), st.integers(20, 400), st.integers(0, 1 << 30))
def test_days_of_one_rate_are_usual(rate: float, records: int, seed: int) -> None:
    chance = Random(seed)
    before = [drawn(rate, records, chance) for _ in range(14)]
    assert usual(before, records, deviations=8).has(drawn(rate, records, chance))


@pytest.mark.parametrize(
    ("part", "is_usual"), [(10, True), (20, True), (28, True), (80, False), (400, False)]
)
def test_another_rate_is_not(part: int, is_usual: bool) -> None:
    before = [share(count, 1000) for count in (9, 10, 10, 11, 10, 12, 8)]
    assert usual(before, 1000, deviations=5).has(share(part, 1000)) is is_usual


def test_fewer_than_ever_is_told_too() -> None:
    before = [share(count, 1000) for count in (390, 400, 400, 410, 400)]
    assert not usual(before, 1000, deviations=5).has(share(0, 1000))


def test_a_bad_day_before_changes_nothing() -> None:
    quiet = [share(10, 1000)] * 6
    spoilt = [*quiet, share(900, 1000)]
    assert usual(spoilt, 1000, deviations=5) == usual(quiet, 1000, deviations=5)


def test_a_feed_that_varies_may_vary() -> None:
    before = [share(count, 1000) for count in (50, 200, 120, 300, 80, 260, 150)]
    assert usual(before, 1000, deviations=5).has(share(400, 1000))


@given(st.integers(1, 10**7))
def test_what_nobody_would_mind_is_usual(records: int) -> None:
    assert usual([share(0, records)] * 5, records, deviations=5).margin >= LEAST_DIFFERENCE


def test_one_record_of_few_is_no_news() -> None:
    assert usual([share(0, 20)] * 14, 20, deviations=5).has(share(2, 20))


def test_the_last_days_that_say_something_count() -> None:
    found = days_before("2024-09-20", DAYS, lambda day: None if day[-1] == "9" else day, most=6)
    assert found == [f"2024-09-{day}" for day in ("18", "17", "16", "15", "14", "13")]


@pytest.mark.parametrize("days", range(1, LEAST_DAYS))
def test_too_few_days_say_nothing(days: int) -> None:
    assert days_before(DAYS[days], DAYS, lambda day: day, most=14) == []


def test_a_later_day_is_never_looked_at() -> None:
    assert days_before(DAYS[5], DAYS, lambda day: day, most=14) == DAYS[:5][::-1]
