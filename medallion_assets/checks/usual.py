"""Rejects and removals of a day against those of the days before it.

Belongs here: what is usual, and what is too far from it to be chance. Does not: fixed limits (exports.py,
removal.py). What is usual is the median, and how much it varies the median deviation: a bad day among those
before moves neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import sqrt
from statistics import median

from medallion_assets.checks.baseline import days_before
from medallion_assets.checks.exports import listed
from medallion_assets.checks.finding import PARTITION, Fault, Finding
from medallion_assets.checks.removal import removals
from medallion_assets.config.pipeline import ChecksConfig
from medallion_assets.storage.store import PartitionStore, Table

# Of a normal distribution, the standard deviation by the median deviation.
SIGMAS_OF_MAD = 1.4826
# A difference that nobody would do anything about, whatever the odds.
LEAST_DIFFERENCE = 0.02


@dataclass(frozen=True)
class Share:
    """How many records of all those of a day."""

    part: int
    whole: int
    reasons: Mapping[str, int]

    @property
    def rate(self) -> float:
        return self.part / self.whole if self.whole else 0.0


@dataclass(frozen=True)
class Usual:
    """The rate to expect, and how far from it is still usual."""

    rate: float
    margin: float

    def has(self, share: Share) -> bool:
        return abs(share.rate - self.rate) <= self.margin


def usual(before: Sequence[Share], records: int, *, deviations: float) -> Usual:
    """What these days let expect of a day of so many records.

    Both vary: rates from day to day, and the share of a few records by chance; so that none at all varies
    too, that is taken from one record more on either side.
    """
    rates = [share.rate for share in before]
    middle = median(rates)
    spread = SIGMAS_OF_MAD * median(abs(rate - middle) for rate in rates)
    expected = (middle * records + 1) / (records + 2)
    chance = sqrt(expected * (1 - expected) / records)
    return Usual(middle, max(deviations * sqrt(spread**2 + chance**2), LEAST_DIFFERENCE))


def unusual_rejects(
    source: str, conformed: Table, rules: ChecksConfig, store: PartitionStore, keys: Sequence[str]
) -> Finding:
    """Days on which another share of the source's records was rejected than usually."""

    def shares(key: str) -> Mapping[str, Share]:
        manifest = store.manifest(conformed, key)
        if manifest is None:
            return {}
        return {
            source: Share(
                manifest.rejected_rows,
                manifest.rows + manifest.rejected_rows,
                manifest.summary.get("rejected", {}),
            )
        }

    return _unusual(shares, store.keys(conformed), keys, rules)


def unusual_removals(unit: Table, rules: ChecksConfig, store: PartitionStore, keys: Sequence[str]) -> Finding:
    """Sources and days of which another share was removed than usually."""

    def shares(key: str) -> Mapping[str, Share]:
        found = removals(store, unit, key)
        return {
            each.source: Share(sum(each.reasons.values()), each.conformed, each.reasons) for each in found
        }

    return _unusual(shares, store.keys(unit), keys, rules)


def _unusual(
    shares: Callable[[str], Mapping[str, Share]],
    days: Sequence[str],
    keys: Sequence[str],
    rules: ChecksConfig,
) -> Finding:
    known = cache(shares)
    faults: list[Fault] = []
    judged = set()
    for key in keys:
        for source, share, expected in _expected(known, days, key, rules):
            judged.add(key)
            if not expected.has(share):
                faults.append({PARTITION: key, "source": source, **_shown(share, expected)})
    return Finding.of(len(judged), faults)


def _expected(
    shares: Callable[[str], Mapping[str, Share]], days: Sequence[str], key: str, rules: ChecksConfig
) -> Iterator[tuple[str, Share, Usual]]:
    """Of each source with enough records on the day, what the days before let expect, if they do."""

    def enough(day: str, source: str) -> Share | None:
        share = shares(day).get(source)
        return share if share and share.whole >= rules.min_records else None

    for source in shares(key):
        if share := enough(key, source):
            before = days_before(key, days, lambda day: enough(day, source), most=rules.baseline_days)  # noqa: B023
            if before:
                yield source, share, usual(before, share.whole, deviations=rules.max_deviations)


def _shown(share: Share, expected: Usual) -> Fault:
    low, high = max(expected.rate - expected.margin, 0.0), min(expected.rate + expected.margin, 1.0)
    return {
        "rate": round(share.rate, 4),
        "limit": f"usually {expected.rate:.1%}: from {low:.1%} to {high:.1%}",
        "reasons": listed(share.reasons),
    }
