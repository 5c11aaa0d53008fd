"""All that alerts remember between two looks, as one JSON text, so that it is stored whole or not at all.

Belongs here: the state, what a look does to it, and its text. Does not: where it is kept
(automation/alerts.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

import msgspec

from medallion_assets.alerts.happening import Happening, Kind, Severity, Subject, Trouble
from medallion_assets.alerts.ledger import Entry, Item, News, entered, reminded
from medallion_assets.alerts.outbox import Outbox, Outcome, after, put, sealed

# Longer without a look, and people are told that nobody watched.
UNWATCHED_SECONDS = 900
NOTED_SECONDS = 120
WATCH = Subject(Kind.DAEMON, "daemon:watch", "Dagster's daemon", "/deployment/daemons")


@dataclass(frozen=True, order=True)
class Cursor:
    """The last event of the log that was looked at. Its time tells whether its id is still its own."""

    id: int = 0
    at: float = 0.0


@dataclass(frozen=True)
class State:
    """`cursor` is where the log was looked at last, `ticks` the time up to which ticks were."""

    cursor: Cursor = Cursor()
    ticks: float = 0.0
    looked: float = 0.0
    ledger: dict[str, Entry] = field(default_factory=dict)
    boxes: dict[str, Outbox] = field(default_factory=dict)


@dataclass(frozen=True)
class Look:
    """What a look found: what happened since the last one, and up to where it saw."""

    happenings: Sequence[Happening]
    cursor: Cursor
    ticks: float


def looked(state: State, look: Look, channels: Iterable[str], watched: Set[str], *, now: float) -> State:
    """The state once what was found is in every channel's outbox. From then on it can't get lost."""
    ledger, news = entered(state.ledger, look.happenings, now=now)
    ledger, reminders = reminded(ledger, watched, now=now)
    items = [*_unwatched(state, now), *news, *reminders]
    boxes = {
        name: sealed(put(state.boxes.get(name, Outbox()), items, now=now), channel=name, now=now)
        for name in channels
    }
    return State(look.cursor, look.ticks, now, dict(ledger), boxes)


def tried(state: State, outcomes: Mapping[str, Outcome], *, gap: float, now: float) -> State:
    """The state once messages were tried to be sent."""
    boxes = {
        name: after(box, outcomes[name], gap=gap, now=now) if name in outcomes else box
        for name, box in state.boxes.items()
    }
    return replace(state, boxes=boxes)


def is_worth_storing(before: State, after: State) -> bool:
    """Looking alone is noted now and then; a look that found nothing may be repeated."""
    changed = (before.cursor, before.ledger, before.boxes) != (after.cursor, after.ledger, after.boxes)
    return changed or after.looked - before.looked >= NOTED_SECONDS


def written(state: State) -> str:
    return msgspec.json.encode(state).decode()


def read(text: str) -> State:
    return msgspec.json.decode(text, type=State)


def _unwatched(state: State, now: float) -> list[Item]:
    gap = now - state.looked
    if not state.looked or gap < UNWATCHED_SECONDS:
        return []
    why = f"nothing was watched for {gap / 3600:.1f} hours: the daemon or the alerts sensor was not running"
    trouble = Trouble(Severity.WARNING, why, "")
    return [Item(News.FAILED, WATCH, trouble, (), state.looked, now)]
