"""Which micro-batches to start, from what landed, what bronze holds and which runs there were.

Belongs here: the decision, as pure functions. Does not: looking (sensors.py). Nothing is remembered
between ticks: a lost cursor or a dead daemon changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

from medallion_assets.storage.manifest import digest_of

MAX_ATTEMPTS = 3
# Of one feed, queued or running: what lands meanwhile joins later batches, so a burst makes few of them.
MAX_BATCHES_AT_WORK = 5
MAX_DAYS_A_BATCH = 31
# A day is never split, however many exports it has: its run takes all of them.
MAX_EXPORTS_A_BATCH = 500


class Outcome(Enum):
    ACTIVE = "active"
    FAILED = "failed"


@dataclass(frozen=True)
class Batch:
    """Consecutive landing dates with exports that are to be taken through to gold."""

    batch_id: str
    first: date
    last: date

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]

    def overlaps(self, other: Batch) -> bool:
        return self.first <= other.last and other.first <= self.last

    def only(self, day: date) -> Batch:
        """What of it is of this day: itself, where it has no other."""
        if self.first == self.last:
            return self
        return Batch(digest_of([self.batch_id, day.isoformat()])[:16], day, day)


@dataclass(frozen=True)
class PastRun:
    batch: Batch
    outcome: Outcome


@dataclass(frozen=True)
class Request:
    batch: Batch
    attempt: int


@dataclass(frozen=True)
class Decision:
    """What to start now, and what was tried too often and needs a person."""

    requests: tuple[Request, ...]
    given_up: tuple[Batch, ...]


def open_batches(
    missing: Mapping[date, Sequence[str]], past: Sequence[PastRun], is_behind: Callable[[date], bool]
) -> list[Batch]:
    """What is missing now, and what failed on its way through to gold after bronze had taken it.

    `missing` has the export hashes per date that bronze lacks; `past`, newest first, the feed's runs at work
    and its failures of late; `is_behind` tells whether the rest of the way would
    change anything on a date. A date that a run failed on goes by itself from then on, so that a bad day
    keeps no other one back.
    """
    failed = _failed_days(past)
    batches = _batches({day: exports for day, exports in missing.items() if day not in failed})
    alone = [_batch([day], missing) for day in sorted(failed.keys() & missing.keys())]
    rest = [batch for day, batch in sorted(failed.items()) if day not in missing and is_behind(day)]
    return sorted([*batches, *alone, *rest], key=lambda batch: batch.first)


def decide(batches: Sequence[Batch], past: Sequence[PastRun], attempts: Mapping[str, int]) -> Decision:
    """`attempts` has, by batch, how many runs it had. Dates that a run is working on wait for it."""
    working = [run.batch for run in past if run.outcome is Outcome.ACTIVE]
    waiting = [batch for batch in batches if not any(batch.overlaps(other) for other in working)]
    tried = {batch: attempts.get(batch.batch_id, 0) for batch in waiting}
    requests = [Request(batch, count + 1) for batch, count in tried.items() if count < MAX_ATTEMPTS]
    given_up = [batch for batch, count in tried.items() if count >= MAX_ATTEMPTS]
    room = max(0, MAX_BATCHES_AT_WORK - len(working))
    return Decision(tuple(requests[:room]), tuple(given_up))


def consecutive(days: Sequence[date]) -> Iterator[list[date]]:
    """Sorted days in groups without gaps, none longer than MAX_DAYS_A_BATCH."""
    yield from _grouped(dict.fromkeys(days, 0))


def _grouped(exports: Mapping[date, int]) -> Iterator[list[date]]:
    """Groups without gaps, each of few enough days and, unless it is one day, of few enough exports."""
    group: list[date] = []
    for day in sorted(exports):
        many = sum(exports[each] for each in (*group, day)) > MAX_EXPORTS_A_BATCH
        if group and (day - group[-1] != timedelta(days=1) or len(group) == MAX_DAYS_A_BATCH or many):
            yield group
            group = []
        group.append(day)
    if group:
        yield group


def _batches(missing: Mapping[date, Sequence[str]]) -> Iterator[Batch]:
    for days in _grouped({day: len(exports) for day, exports in missing.items()}):
        yield _batch(days, missing)


def _batch(days: Sequence[date], missing: Mapping[date, Sequence[str]]) -> Batch:
    content = digest_of([[day.isoformat(), sorted(missing[day])] for day in days])
    return Batch(content[:16], days[0], days[-1])


def _failed_days(past: Sequence[PastRun]) -> dict[date, Batch]:
    """By date that a run failed on, the newest of these runs as a batch of this date alone."""
    found: dict[date, Batch] = {}
    for run in past:
        if run.outcome is Outcome.FAILED:
            for day in run.batch.days:
                found.setdefault(day, run.batch.only(day))
    return found
