"""Happenings and messages to test with."""

from __future__ import annotations

from collections.abc import Sequence

from medallion_assets.alerts.digest import gathered
from medallion_assets.alerts.happening import EVERYTHING, Happening, Kind, Severity, Span, Subject, Trouble
from medallion_assets.alerts.ledger import Item, entered
from medallion_assets.alerts.outbox import Message

NOW = 1_800_000_000.0
HOUR = 3600.0
UI = "https://dagster.example.org"


def check(name: str) -> Subject:
    return Subject(
        Kind.CHECK, f"check:bronze/{name}:conservation", f"bronze/{name}: conservation", "/assets/x"
    )


def failure(
    name: str = "a", *, reason: str = "2 lost", days: Sequence[str] = (), at: float = NOW, warn: bool = False
) -> Happening:
    spans = tuple(Span(day, day) for day in days) or (EVERYTHING,)
    trouble = Trouble(Severity.WARNING if warn else Severity.ERROR, reason, reason)
    return Happening(check(name), at, spans, trouble, "/runs/1")


def success(name: str = "a", *, days: Sequence[str] = (), at: float = NOW) -> Happening:
    spans = tuple(Span(day, day) for day in days) or (EVERYTHING,)
    return Happening(check(name), at, spans)


def news_of(*happenings: Happening, now: float = NOW) -> list[Item]:
    return entered({}, happenings, now=now)[1]


def message(*happenings: Happening, short: bool = False) -> Message:
    return Message("0123456789abcdef", gathered(None, news_of(*happenings), now=NOW), short)
