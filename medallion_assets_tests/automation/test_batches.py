"""The decision which micro-batches to start, as laws on plain values."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.automation.batches import (
    MAX_ATTEMPTS,
    MAX_BATCHES_A_TICK,
    MAX_DAYS_A_BATCH,
    Batch,
    Decision,
    Outcome,
    PastRun,
    Request,
    consecutive,
    decide,
)

MONDAY, TUESDAY, THURSDAY = date(2024, 9, 2), date(2024, 9, 3), date(2024, 9, 5)
days = st.sets(st.dates(date(2024, 1, 1), date(2024, 12, 31)), max_size=60)


def only_request(missing: dict[date, list[str]], past: list[PastRun] | None = None) -> Request:
    (request,) = decide(missing, past or []).requests
    return request


def test_nothing_missing_asks_for_nothing() -> None:
    assert decide({}, []) == Decision((), ())


def test_consecutive_dates_make_one_batch() -> None:
    requests = decide({MONDAY: ["a"], TUESDAY: ["b"], THURSDAY: ["c"]}, []).requests
    assert [(r.batch.first, r.batch.last, r.attempt) for r in requests] == [
        (MONDAY, TUESDAY, 1),
        (THURSDAY, THURSDAY, 1),
    ]


@given(days)
def test_groups_hold_every_day_once_without_gaps(chosen: set[date]) -> None:
    groups = list(consecutive(list(chosen)))
    assert [day for group in groups for day in group] == sorted(chosen)
    for group in groups:
        assert group == [group[0] + timedelta(days=n) for n in range(len(group))]
        assert len(group) <= MAX_DAYS_A_BATCH


def test_a_tick_asks_for_a_bounded_number_of_batches() -> None:
    every_other_day = {MONDAY + timedelta(days=2 * n): ["x"] for n in range(50)}
    assert len(decide(every_other_day, []).requests) == MAX_BATCHES_A_TICK


def test_a_batch_at_work_is_not_asked_for_again() -> None:
    batch = only_request({MONDAY: ["a"]}).batch
    assert decide({MONDAY: ["a"]}, [PastRun(batch, Outcome.ACTIVE)]).requests == ()


def test_a_new_export_waits_for_the_run_that_works_on_its_date() -> None:
    batch = only_request({MONDAY: ["a"]}).batch
    assert decide({MONDAY: ["a", "b"]}, [PastRun(batch, Outcome.ACTIVE)]).requests == ()
    assert only_request({MONDAY: ["b"]}, [PastRun(batch, Outcome.DONE)]).attempt == 1


def test_a_failed_batch_is_tried_a_bounded_number_of_times() -> None:
    batch = only_request({MONDAY: ["a"]}).batch
    failed = PastRun(batch, Outcome.FAILED)
    attempts = [only_request({MONDAY: ["a"]}, [failed] * n).attempt for n in range(MAX_ATTEMPTS)]
    assert attempts == [1, 2, 3]
    assert decide({MONDAY: ["a"]}, [failed] * MAX_ATTEMPTS) == Decision((), (batch,))


def test_a_batch_that_failed_after_bronze_took_it_is_tried_again() -> None:
    batch = only_request({MONDAY: ["a"]}).batch
    assert only_request({}, [PastRun(batch, Outcome.FAILED)]) == Request(batch, 2)


def test_a_failure_that_a_later_run_mended_is_left_alone() -> None:
    failed = PastRun(Batch("old", MONDAY, MONDAY), Outcome.FAILED)
    mended = PastRun(Batch("new", MONDAY, TUESDAY), Outcome.DONE)
    assert decide({}, [mended, failed]) == Decision((), ())


def test_the_same_exports_make_the_same_batch_in_any_order() -> None:
    forwards = only_request({MONDAY: ["a", "b"], TUESDAY: ["c"]}).batch
    backwards = only_request({TUESDAY: ["c"], MONDAY: ["b", "a"]}).batch
    assert forwards == backwards


def test_another_export_makes_another_batch_with_its_own_attempts() -> None:
    tired = [PastRun(only_request({MONDAY: ["a"]}).batch, Outcome.FAILED)] * MAX_ATTEMPTS
    assert only_request({MONDAY: ["a", "mended"]}, tired).attempt == 1
