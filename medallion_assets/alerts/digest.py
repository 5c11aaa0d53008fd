"""Many news as one bounded message: the gravest by name, the others as numbers.

Belongs here: what a message holds. Does not: how it is written for a channel (render.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from medallion_assets.alerts.happening import Kind, Severity
from medallion_assets.alerts.ledger import MAX_REMEMBERED, Item, News

MAX_NAMED = 20
WHAT = {
    Kind.CHECK: ("failed check", "failed checks"),
    Kind.RUN: ("failed run", "failed runs"),
    Kind.AUTOMATION: ("failing sensor or schedule", "failing sensors or schedules"),
    Kind.DAEMON: ("daemon that stood still", "daemons that stood still"),
}
NEWS = list(News)


@dataclass(frozen=True)
class Digest:
    """`named` holds at most MAX_NAMED items, one a subject and reason; `counts` numbers the others."""

    named: tuple[Item, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    first_at: float = 0.0
    last_at: float = 0.0

    @property
    def unnamed(self) -> int:
        return sum(self.counts.values())


def gathered(digest: Digest | None, items: Iterable[Item], *, now: float) -> Digest:
    """The digest with these items too. Of a subject it names each reason, or that it recovered."""
    before = digest or Digest(first_at=now)
    named: dict[str, dict[str, Item]] = {}  # by subject and reason
    for item in (*before.named, *items):
        reasons = named.setdefault(item.subject.key, {})
        if item.news is News.OVER or any(other.news is News.OVER for other in reasons.values()):
            reasons.clear()
        reasons[item.trouble.reason] = _together(reasons.get(item.trouble.reason), item)
    ranked = sorted((item for reasons in named.values() for item in reasons.values()), key=_rank)
    counts = Counter(before.counts)
    counts.update(label_of(item) for item in ranked[MAX_NAMED:])
    return Digest(tuple(ranked[:MAX_NAMED]), dict(sorted(counts.items())), before.first_at, now)


def label_of(item: Item) -> str:
    return f"{item.news} {item.subject.kind}"


def summary(digest: Digest) -> str:
    """In a line how much of what: "2 failed checks, 1 failed run, 1 recovered"."""
    subjects = {(item.subject.key, label_of(item)) for item in digest.named}
    totals = Counter(digest.counts) + Counter(label for _, label in subjects)
    parts = [_counted(totals[f"{News.FAILED} {kind}"], WHAT[kind]) for kind in Kind]
    for news in (News.REMINDER, News.OVER):
        count = sum(totals[f"{news} {kind}"] for kind in Kind)
        parts.append(f"{count:,} {news}" if count else "")
    return ", ".join(filter(None, parts)) or "nothing"


def is_grave(digest: Digest) -> bool:
    """Whether any error is in it that is not over."""
    return any(
        item.trouble.severity is Severity.ERROR and item.news is not News.OVER for item in digest.named
    )


def _together(before: Item | None, item: Item) -> Item:
    if before is None:
        return item
    spans = tuple(sorted({*before.spans, *item.spans}))[:MAX_REMEMBERED]
    return replace(item, spans=spans, since=min(before.since, item.since))


def _rank(item: Item) -> tuple[int, bool, float, str]:
    return (
        NEWS.index(item.news),
        item.trouble.severity is not Severity.ERROR,
        item.at,
        item.subject.key,
    )


def _counted(count: int, words: tuple[str, str]) -> str:
    return f"{count:,} {words[count != 1]}" if count else ""
