"""What is wrong now, and which of what is seen is news: a failure, another reason for it, its end.

Belongs here: the judgement, as plain functions. Does not: how news is told and to whom (digest.py,
outbox.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from enum import StrEnum

from medallion_assets.alerts.happening import EVERYTHING, Happening, Kind, Span, Subject, Trouble

REMIND_SECONDS = 24 * 3600
# What nobody watches any more, or what was an event rather than a state, is forgotten.
FORGET_SECONDS = 7 * 24 * 3600
MAX_ENTRIES = 2_000
MAX_REMEMBERED = 50  # reasons and spans of one entry


class News(StrEnum):
    FAILED = "failed"
    REMINDER = "still failing"
    OVER = "recovered"


@dataclass(frozen=True)
class Item:
    """One thing to tell."""

    news: News
    subject: Subject
    trouble: Trouble
    spans: tuple[Span, ...]
    since: float
    at: float
    link: str | None = None


@dataclass(frozen=True)
class Entry:
    """A subject that fails: over which partitions, for which reasons, since when, and when that was told."""

    subject: Subject
    trouble: Trouble
    spans: tuple[Span, ...]
    reasons: tuple[str, ...]
    since: float
    seen: float
    told: float
    link: str | None = None


Ledger = Mapping[str, Entry]


def entered(ledger: Ledger, happenings: Iterable[Happening], *, now: float) -> tuple[Ledger, list[Item]]:
    """The ledger with all that happened, in order, and what of it is to be told."""
    entries, items = dict(ledger), []
    for happening in happenings:
        key = happening.subject.key
        entry = entries.pop(key, None)
        after, item = _failed(entry, happening, now) if happening.trouble else _well(entry, happening)
        if after is not None:
            entries[key] = after
        if item is not None:
            items.append(item)
    # Reinsertion keeps the longest untouched first.
    return dict(list(entries.items())[-MAX_ENTRIES:]), items


def reminded(ledger: Ledger, watched: Set[str], *, now: float) -> tuple[Ledger, list[Item]]:
    """Once one of the failing checks is due, all are named again; what nobody watches is forgotten."""
    kept = {
        key: entry for key, entry in ledger.items() if key in watched or now - entry.seen < FORGET_SECONDS
    }
    checks = [entry for key, entry in kept.items() if entry.subject.kind is Kind.CHECK and key in watched]
    if not any(now - entry.told >= REMIND_SECONDS for entry in checks):
        return kept, []
    due = [entry for entry in checks if now - entry.told >= REMIND_SECONDS / 2]
    told = {entry.subject.key: replace(entry, told=now) for entry in due}
    return {**kept, **told}, [_item(News.REMINDER, entry, now) for entry in due]


def _failed(entry: Entry | None, happening: Happening, now: float) -> tuple[Entry, Item | None]:
    trouble, at = happening.trouble, happening.at
    assert trouble is not None  # noqa: S101
    if entry is None:
        spans = happening.spans[:MAX_REMEMBERED]
        new = Entry(
            happening.subject, trouble, spans, (trouble.fingerprint,), at, at, told=now, link=happening.link
        )
        return new, _item(News.FAILED, new, at)
    known = trouble.fingerprint in entry.reasons
    if known and now - entry.told < REMIND_SECONDS:
        return replace(entry, seen=at), None
    again = replace(
        entry,
        subject=happening.subject,
        trouble=trouble,
        spans=_joined(entry.spans, happening.spans),
        reasons=(*(each for each in entry.reasons if each != trouble.fingerprint), trouble.fingerprint)[
            -MAX_REMEMBERED:
        ],
        seen=at,
        told=now,
        link=happening.link,
    )
    item = _item(News.REMINDER if known else News.FAILED, again, at)
    return again, replace(item, spans=happening.spans)


def _well(entry: Entry | None, happening: Happening) -> tuple[Entry | None, Item | None]:
    """Only a pass that looked at all that failed is a recovery."""
    if entry is None:
        return None, None
    left = tuple(span for span in entry.spans if not any(seen.covers(span) for seen in happening.spans))
    if left:
        return replace(entry, spans=left), None
    over = _item(News.OVER, entry, happening.at)
    return None, replace(over, link=happening.link)


def _joined(spans: tuple[Span, ...], more: tuple[Span, ...]) -> tuple[Span, ...]:
    """Too many to remember one by one are remembered as everything between."""
    together = sorted({*spans, *more})
    if len(together) <= MAX_REMEMBERED or EVERYTHING in together:
        return tuple(together)
    return (Span(min(span.first for span in together), max(span.last for span in together)),)


def _item(news: News, entry: Entry, at: float) -> Item:
    return Item(news, entry.subject, entry.trouble, entry.spans, entry.since, at, entry.link)
