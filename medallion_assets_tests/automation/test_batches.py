"""The decision which micro-batches to start, as laws on plain values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.automation.batches import (
    MAX_ATTEMPTS,
    MAX_BATCHES_AT_WORK,
    MAX_DAYS_A_BATCH,
    MAX_EXPORTS_A_BATCH,
    Batch,
    Decision,
    Outcome,
    PastRun,
    Request,
    consecutive,
    decide,
    open_batches,
)

MONDAY, TUESDAY, THURSDAY = date(2024, 9, 2), date(2024, 9, 3), date(2024, 9, 5)
days = st.sets(st.dates(date(2024, 1, 1), date(2024, 12, 31)), max_size=60)
exports = st.dictionaries(
    st.dates(date(2024, 1, 1), date(2024, 2, 28)), st.sets(st.text("abc", min_size=1), min_size=1)
)
Missing = dict[date, list[str]]


def always(_: date) -> bool:
    return True


def batches_of(missing: Missing, past: list[PastRun] | None = None) -> list[Batch]:
    return open_batches(missing, past or [], always)


def decided(missing: Missing, past: list[PastRun] | None = None) -> Decision:
    """With the attempts that these runs were."""
    past = past or []
    return decide(batches_of(missing, past), past, Counter(run.batch.batch_id for run in past))


def only_request(missing: Missing, past: list[PastRun] | None = None) -> Request:
    (request,) = decided(missing, past).requests
    return request


def spans(batches: Iterable[Batch]) -> list[tuple[date, date]]:
    return [(batch.first, batch.last) for batch in batches]


def test_nothing_missing_asks_for_nothing() -> None:
    assert decided({}) == Decision((), ())


def test_consecutive_dates_make_one_batch() -> None:
    missing = {MONDAY: ["a"], TUESDAY: ["b"], THURSDAY: ["c"]}
    assert spans(batches_of(missing)) == [(MONDAY, TUESDAY), (THURSDAY, THURSDAY)]
    assert [request.attempt for request in decided(missing).requests] == [1, 1]


@given(days)
def test_groups_hold_every_day_once_without_gaps(chosen: set[date]) -> None:
    groups = list(consecutive(list(chosen)))
    assert [day for group in groups for day in group] == sorted(chosen)
    for group in groups:
        assert group == [group[0] + timedelta(days=n) for n in range(len(group))]
        assert len(group) <= MAX_DAYS_A_BATCH


@given(exports)
def test_batches_hold_every_day_with_an_export_once(landed: dict[date, set[str]]) -> None:
    batches = batches_of({day: list(names) for day, names in landed.items()})
    assert [day for batch in batches for day in batch.days] == sorted(landed)
    assert len({batch.batch_id for batch in batches}) == len(batches)


def test_a_batch_of_days_has_a_bounded_number_of_exports() -> None:
    half = [str(number) for number in range(MAX_EXPORTS_A_BATCH // 2)]
    week = {MONDAY + timedelta(days=n): half for n in range(7)}
    assert [len(batch.days) for batch in batches_of(week)] == [2, 2, 2, 1]
    assert spans(batches_of({MONDAY: half * 3})) == [(MONDAY, MONDAY)]


def test_a_bounded_number_of_batches_is_at_work() -> None:
    missing = {MONDAY + timedelta(days=2 * n): ["x"] for n in range(50)}
    first = decided(missing).requests
    assert len(first) == MAX_BATCHES_AT_WORK
    working = [PastRun(request.batch, Outcome.ACTIVE) for request in first]
    assert decided(missing, working).requests == ()
    (next_one,) = decided(missing, working[1:]).requests
    assert next_one.batch == first[0].batch


def test_a_batch_at_work_is_not_asked_for_again() -> None:
    batch = only_request({MONDAY: ["a"]}).batch
    assert decided({MONDAY: ["a"]}, [PastRun(batch, Outcome.ACTIVE)]).requests == ()


def test_a_new_export_waits_for_the_run_that_works_on_its_date() -> None:
    batch = only_request({MONDAY: ["a"]}).batch
    assert decided({MONDAY: ["a", "b"]}, [PastRun(batch, Outcome.ACTIVE)]).requests == ()
    assert only_request({MONDAY: ["b"]}).attempt == 1


def test_a_failed_batch_is_tried_a_bounded_number_of_times() -> None:
    batch = only_request({MONDAY: ["a"]}).batch
    failed = PastRun(batch, Outcome.FAILED)
    attempts = [only_request({MONDAY: ["a"]}, [failed] * n).attempt for n in range(MAX_ATTEMPTS)]
    assert attempts == [1, 2, 3]
    assert decided({MONDAY: ["a"]}, [failed] * MAX_ATTEMPTS) == Decision((), (batch,))


def test_an_attempt_that_is_long_past_counts_too() -> None:
    (batch,) = batches_of({MONDAY: ["a"]})
    assert decide([batch], [], {batch.batch_id: 2}).requests == (Request(batch, 3),)
    assert decide([batch], [], {batch.batch_id: MAX_ATTEMPTS}) == Decision((), (batch,))


def test_a_batch_that_failed_after_bronze_took_it_is_tried_again() -> None:
    batch = only_request({MONDAY: ["a"]}).batch
    assert only_request({}, [PastRun(batch, Outcome.FAILED)]) == Request(batch, 2)


def test_a_failure_that_somebody_mended_is_left_alone() -> None:
    failed = PastRun(Batch("old", MONDAY, TUESDAY), Outcome.FAILED)
    assert open_batches({}, [failed], lambda day: False) == []
    assert spans(open_batches({}, [failed], lambda day: day == TUESDAY)) == [(TUESDAY, TUESDAY)]


def test_days_that_failed_together_go_one_by_one() -> None:
    week: Missing = {MONDAY + timedelta(days=n): ["x"] for n in range(7)}
    (wide,) = batches_of(week)
    failed = [PastRun(wide, Outcome.FAILED)]
    for missing in (week, {}):  # before and after bronze had taken them
        assert spans(batches_of(missing, failed)) == [(day, day) for day in week]
        assert [request.attempt for request in decided(missing, failed).requests] == [1] * MAX_BATCHES_AT_WORK


def test_a_day_that_always_fails_keeps_no_other_day_back() -> None:
    missing: Missing = {MONDAY + timedelta(days=n): ["x"] for n in range(7)}
    past: list[PastRun] = []
    for _ in range(50):
        batches = open_batches(missing, past, lambda day: False)
        found = decide(batches, past, Counter(run.batch.batch_id for run in past))
        for request in found.requests:
            if TUESDAY in request.batch.days:
                past = [PastRun(request.batch, Outcome.FAILED), *past]
            else:
                missing = {day: names for day, names in missing.items() if day not in request.batch.days}
    assert list(missing) == [TUESDAY]
    assert spans(found.given_up) == [(TUESDAY, TUESDAY)]
    assert len(past) == 1 + MAX_ATTEMPTS


def test_the_same_exports_make_the_same_batch_in_any_order() -> None:
    forwards = only_request({MONDAY: ["a", "b"], TUESDAY: ["c"]}).batch
    backwards = only_request({TUESDAY: ["c"], MONDAY: ["b", "a"]}).batch
    assert forwards == backwards


def test_another_export_makes_another_batch_with_its_own_attempts() -> None:
    tired = [PastRun(only_request({MONDAY: ["a"]}).batch, Outcome.FAILED)] * MAX_ATTEMPTS
    assert only_request({MONDAY: ["a", "mended"]}, tired).attempt == 1
