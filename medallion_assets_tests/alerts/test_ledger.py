"""What is news."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.alerts.happening import Happening
from medallion_assets.alerts.ledger import FORGET_SECONDS, Ledger, News, entered, reminded
from medallion_assets_tests.alerts.items import HOUR, NOW, check, failure, success

A = check("a").key


def told(happenings: Iterable[Happening]) -> list[str]:
    """The news of things that happen one after another."""
    ledger: Ledger = {}
    found = []
    for happening in happenings:
        ledger, items = entered(ledger, [happening], now=happening.at)
        found += [item.news for item in items]
    return found


def test_a_failure_is_news_once_and_so_is_its_end() -> None:
    hours = [NOW + n * HOUR for n in range(6)]
    failing = [failure(at=at) for at in hours[:4]]
    assert told([*failing, success(at=hours[4]), success(at=hours[5])]) == [News.FAILED, News.OVER]


def test_another_reason_is_news_and_a_known_one_is_not() -> None:
    reasons = ["lost", "torn", "lost", "torn"]
    assert told(failure(reason=reason) for reason in reasons) == [News.FAILED, News.FAILED]


def test_what_still_fails_a_day_later_is_named_again() -> None:
    assert told(failure(at=NOW + n * HOUR) for n in range(50)) == [News.FAILED, News.REMINDER, News.REMINDER]


def test_a_pass_over_another_day_is_no_recovery() -> None:
    first, other = "2024-09-01", "2024-09-02"
    assert told([failure(days=[first]), success(days=[other])]) == [News.FAILED]
    assert told([failure(days=[first]), success(days=[other]), success(days=[first])]) == [
        News.FAILED,
        News.OVER,
    ]
    assert told([failure(days=[first, other]), success(days=[other]), success()]) == [News.FAILED, News.OVER]


def test_checks_that_nobody_runs_again_are_named_together_once_a_day() -> None:
    ledger, _ = entered({}, [failure("a"), failure("b", at=NOW)], now=NOW)
    ledger, _ = entered(ledger, [failure("late")], now=NOW + 10 * HOUR)
    watched = {check(name).key for name in ("a", "b", "late")}
    assert reminded(ledger, watched, now=NOW + 23 * HOUR) == (ledger, [])
    ledger, items = reminded(ledger, watched, now=NOW + 24 * HOUR)
    assert [(item.news, item.subject) for item in items] == [
        (News.REMINDER, check("a")),
        (News.REMINDER, check("b")),
        (News.REMINDER, check("late")),
    ]
    assert reminded(ledger, watched, now=NOW + 25 * HOUR)[1] == []


def test_what_is_watched_no_longer_is_forgotten_in_silence() -> None:
    ledger, _ = entered({}, [failure("a")], now=NOW)
    assert reminded(ledger, set(), now=NOW + FORGET_SECONDS) == ({}, [])


@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), max_size=30), st.integers(1, 7))
def test_news_is_the_same_however_looks_cut_the_log(seen: list[tuple[str, bool]], size: int) -> None:
    log = [failure(name) if bad else success(name) for name, bad in seen]
    ledger: Ledger = {}
    items = []
    for start in range(0, len(log), size):
        ledger, some = entered(ledger, log[start : start + size], now=NOW)
        items += some
    assert (ledger, items) == entered({}, log, now=NOW)
