"""The order of a fan-out: which tasks are started when, tried again, and handed on.

Belongs here: the loop that all kinds of workers share. Does not: any of them (pool.py, ray_tasks.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from medallion_assets.fanout.backend import (
    MOST_TRIES,
    Listen,
    OtherVersions,
    Results,
    Task,
    TaskFailed,
    Traceback,
)
from medallion_assets.fanout.call import Call, Done, Failed, Outcome, Refused
from medallion_assets.fanout.versions import versions

T = TypeVar("T")
R = TypeVar("R")

SECONDS_BETWEEN_WORDS = 10.0
# Tasks begun or done and not yet handed on, for each that can run: a slow one must not stop the others, nor
# may their results pile up behind it.
AHEAD = 2


class Calls(Protocol):
    """Calls of one map, at work in workers."""

    @property
    def at_once(self) -> int:
        """How many can run."""
        ...

    def start(self, number: int, name: str, call: Call) -> None: ...

    def finished(self, seconds: float) -> list[tuple[int, Outcome]]:
        """Those that ended; waits for the first so long."""
        ...

    def abandon(self) -> None:
        """Ends those at work, if there are any."""
        ...


@dataclass
class _Map:
    """What has become of the tasks so far, by number."""

    calls: Calls
    function: Callable[[Any], Any]
    tasks: Sequence[Task[Any]]
    waiting: deque[int]
    at_work: set[int] = field(default_factory=set)
    results: dict[int, Any] = field(default_factory=dict)
    failed: dict[int, Exception] = field(default_factory=dict)
    tries: dict[int, int] = field(default_factory=dict)

    def start(self, handed_on: int) -> None:
        """As many as have room; those to be tried again come first, since others wait for them."""
        end = min([handed_on + AHEAD * self.calls.at_once, *self.failed])
        while self.waiting and len(self.at_work) < self.calls.at_once and self.waiting[0] < end:
            number = self.waiting.popleft()
            task = self.tasks[number]
            self.calls.start(number, task.name, Call(self.function, task.argument, versions()))
            self.at_work.add(number)
            self.tries[number] = self.tries.get(number, 0) + 1

    def take(self, number: int, outcome: Outcome) -> None:
        self.at_work.discard(number)
        if isinstance(outcome, Done):
            self.results[number] = outcome.result
        elif isinstance(outcome, Refused):
            raise OtherVersions(outcome.where, outcome.differences)
        elif outcome.of_the_place and self.tries[number] < MOST_TRIES:
            self.waiting.appendleft(number)
        else:
            self.failed[number] = self._error(number, outcome)

    def _error(self, number: int, failed: Failed) -> TaskFailed:
        error = TaskFailed(self.tasks[number].name, failed.why, tries=self.tries[number])
        error.__cause__ = Traceback(failed.traceback or failed.why)
        return error

    def has(self, number: int) -> bool:
        """Whether its result is there. Raises where it failed: after what comes before it was handed on."""
        if number in self.failed:
            raise self.failed[number]
        return number in self.results

    def names_at_work(self) -> list[str]:
        return [self.tasks[number].name for number in sorted(self.at_work)]


def in_order(
    calls: Calls, function: Callable[[T], R], tasks: Sequence[Task[T]], *, listen: Listen
) -> Results[R]:
    """The results in the order of the tasks, whatever the order in which they come."""
    state = _Map(calls, function, tasks, deque(range(len(tasks))))
    try:
        for number in range(len(tasks)):
            while not state.has(number):
                state.start(number)
                for ended, outcome in calls.finished(SECONDS_BETWEEN_WORDS):
                    state.take(ended, outcome)
                listen(state.names_at_work())
            state.start(number)
            yield state.results.pop(number)
    finally:
        calls.abandon()
