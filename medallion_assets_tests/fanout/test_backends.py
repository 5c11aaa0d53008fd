"""What every backend promises of order, results and failures; a cluster's are in test_ray.py."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.fanout.backend import LOCAL, Backend, Task, TaskFailed
from medallion_assets.fanout.backends import backend_of
from medallion_assets.fanout.call import Call, Done, Outcome, perform
from medallion_assets.fanout.in_order import AHEAD, in_order
from medallion_assets.fanout.pool import Pool
from medallion_assets.fanout.versions import versions
from medallion_assets_tests.fanout.work import slow_at_first, squared, squared_unless_odd

BACKENDS: dict[str, Backend] = {"local": LOCAL, "pool": Pool(2)}
each_backend = pytest.mark.parametrize("backend", BACKENDS.values(), ids=BACKENDS.keys())
few = settings(max_examples=25)


def tasks(numbers: Sequence[int]) -> list[Task[int]]:
    return [Task(f"task {place}", number) for place, number in enumerate(numbers)]


def collect(results: Iterable[int], found: list[int]) -> None:
    """Those before a failure too, which extend() would not keep."""
    for result in results:
        found.append(result)  # noqa: PERF402


class Shuffled:
    """Calls that end in the order that chance gives, one at a time."""

    def __init__(self, at_once: int, choose: Callable[[int], int]) -> None:
        self.at_once, self._choose = at_once, choose
        self._busy: list[tuple[int, Call]] = []
        self.most = 0
        self.abandoned = 0

    def start(self, number: int, name: str, call: Call) -> None:
        self._busy.append((number, call))
        self.most = max(self.most, len(self._busy))

    def finished(self, seconds: float) -> list[tuple[int, Outcome]]:
        number, call = self._busy.pop(self._choose(len(self._busy)))
        return [(number, perform(call))]

    def abandon(self) -> None:
        self.abandoned += len(self._busy)
        self._busy.clear()


@each_backend
@few
@given(numbers=st.lists(st.integers(), max_size=12))
def test_results_come_in_the_order_of_the_tasks(backend: Backend, numbers: list[int]) -> None:
    assert list(backend.map(squared, tasks(numbers))) == [number * number for number in numbers]


@each_backend
def test_tasks_that_end_first_wait_for_those_before(backend: Backend) -> None:
    assert list(backend.map(slow_at_first, tasks(range(8)))) == list(range(8))


@each_backend
@few
@given(numbers=st.lists(st.integers(0, 99), max_size=8))
def test_a_failure_comes_in_its_place_and_says_which_task(backend: Backend, numbers: list[int]) -> None:
    place = next((place for place, number in enumerate(numbers) if number % 2), None)
    results = backend.map(squared_unless_odd, tasks(numbers))
    found: list[int] = []
    if place is None:
        found = list(results)
    else:
        with pytest.raises((ValueError, TaskFailed)) as caught:
            collect(results, found)
        told = "".join(traceback.format_exception(caught.value))
        assert f"{numbers[place]} is odd" in told
        assert f"task {place}" in told
    assert found == [number * number for number in numbers[:place]]


@given(data=st.data(), count=st.integers(0, 30), at_once=st.integers(1, 5))
def test_whatever_ends_first_few_are_held(data: st.DataObject, count: int, at_once: int) -> None:
    begun: list[int] = []

    class Counting(Shuffled):
        def start(self, number: int, name: str, call: Call) -> None:
            begun.append(number)
            super().start(number, name, call)

    calls = Counting(at_once, lambda busy: data.draw(st.integers(0, busy - 1)))
    for handed_on, result in enumerate(in_order(calls, squared, tasks(range(count)), listen=_nobody)):
        assert result == handed_on**2
        assert len(begun) <= handed_on + AHEAD * at_once
    assert sorted(begun) == list(range(count))
    assert calls.most <= at_once
    assert calls.abandoned == 0


def test_who_stops_asking_ends_what_is_at_work() -> None:
    calls = Shuffled(3, lambda busy: 0)
    with closing(in_order(calls, squared, tasks(range(9)), listen=_nobody)) as results:
        assert next(results) == 0
    assert calls.abandoned == 3


def test_what_is_at_work_is_told() -> None:
    told: list[list[str]] = []
    calls = Shuffled(2, lambda busy: 0)
    list(in_order(calls, squared, tasks(range(3)), listen=lambda names: told.append([*names])))
    assert told == [["task 1"], ["task 2"], []]


@pytest.mark.parametrize("name", ["local", "pool", "ray"])
def test_a_backend_is_made_without_starting_anything(name: Any) -> None:
    assert isinstance(backend_of(name).is_elsewhere, bool)


def _nobody(_: Sequence[str]) -> None:
    pass


def test_done_is_what_the_function_returned() -> None:
    assert perform(Call(squared, 3, versions())) == Done(9)
