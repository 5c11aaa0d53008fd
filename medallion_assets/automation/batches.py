"""Which micro-batches to start, from what landed, what bronze holds and which runs there were.

Belongs here: the decision, as a pure function. Does not: looking (sensors.py). Nothing is remembered
between ticks: a lost cursor or a dead daemon changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

from medallion_assets.storage.manifest import digest_of

MAX_ATTEMPTS = 3
MAX_BATCHES_A_TICK = 5
MAX_DAYS_A_BATCH = 31


class Outcome(Enum):
    ACTIVE = "active"
    FAILED = "failed"
    DONE = "done"


@dataclass(frozen=True)
class Batch:
    """Consecutive landing dates with exports that are to be taken through to gold."""

    batch_id: str
    first: date
    last: date

    def overlaps(self, other: Batch) -> bool:
        return self.first <= other.last and other.first <= self.last

    def covers(self, other: Batch) -> bool:
        return self.first <= other.first and other.last <= self.last


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


def decide(missing: Mapping[date, Sequence[str]], past: Sequence[PastRun]) -> Decision:
    """`missing` has the export hashes per date that bronze lacks; `past` the source's runs, newest first.

    A batch is what is missing now, or what failed on its way through to gold after bronze had taken it.
    Dates that a run is working on wait for it.
    """
    working = [run.batch for run in past if run.outcome is Outcome.ACTIVE]
    batches = list(_batches(missing))
    batches += [batch for batch in _unfinished(past) if not any(batch.overlaps(other) for other in batches)]
    requests, given_up = [], []
    for batch in batches:
        attempts = sum(run.batch.batch_id == batch.batch_id for run in past)
        if any(batch.overlaps(other) for other in working):
            continue
        if attempts >= MAX_ATTEMPTS:
            given_up.append(batch)
        else:
            requests.append(Request(batch, attempts + 1))
    return Decision(tuple(requests[:MAX_BATCHES_A_TICK]), tuple(given_up))


def consecutive(days: Sequence[date]) -> Iterator[list[date]]:
    """Sorted days in groups without gaps, none longer than MAX_DAYS_A_BATCH."""
    group: list[date] = []
    for day in sorted(days):
        if group and (day - group[-1] != timedelta(days=1) or len(group) == MAX_DAYS_A_BATCH):
            yield group
            group = []
        group.append(day)
    if group:
        yield group


def _batches(missing: Mapping[date, Sequence[str]]) -> Iterator[Batch]:
    for days in consecutive(list(missing)):
        content = digest_of([[day.isoformat(), sorted(missing[day])] for day in days])
        yield Batch(content[:16], days[0], days[-1])


def _unfinished(past: Sequence[PastRun]) -> Iterator[Batch]:
    """Batches whose last run failed, with no later run that did the same days."""
    for number, run in enumerate(past):
        later = past[:number]
        settled = any(
            newer.batch.batch_id == run.batch.batch_id
            or (newer.outcome is Outcome.DONE and newer.batch.covers(run.batch))
            for newer in later
        )
        if run.outcome is Outcome.FAILED and not settled:
            yield run.batch
