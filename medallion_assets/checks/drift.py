"""Lengths and languages of a source's day against those of the days before it.

Belongs here: how far two histograms are apart, beyond chance. Does not: making them (report/profile.py).
The distance is Jensen-Shannon's, from 0 (alike) to 1 (nothing in common); what samples of these sizes differ
by when they are of one kind is taken off first, so that few records can't look like a change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import cache
from math import log, log2, sqrt
from typing import Any

from medallion_assets.checks.baseline import days_before
from medallion_assets.checks.finding import PARTITION, Fault, Finding
from medallion_assets.config.pipeline import ChecksConfig
from medallion_assets.report.profile_stage import ProfileStage
from medallion_assets.storage.store import PartitionStore

COLUMNS = ("unit", "source", "histogram", "languages")
# How many standard deviations of chance are taken off: more are met once in 30,000 days.
CHANCE_SIGMAS = 4.0
Counts = Mapping[Hashable, int]
Place = tuple[str, str, str]  # unit, source, and what has the shape
Shapes = Callable[[str], Mapping[Place, Counts]]  # of a day


def drift(day: Counts, before: Counts) -> float:
    """How far the day is from what was before, from 0 to 1, beyond what chance explains."""
    distance = _divergence(day, before) - _by_chance(day, before)
    return sqrt(min(max(distance, 0.0), 1.0))


def _divergence(some: Counts, others: Counts) -> float:
    """Jensen and Shannon's, in bits."""
    total = 0.0
    for here, there in _shares(some, others).values():
        middle = (here + there) / 2
        total += sum(share * log2(share / middle) for share in (here, there) if share) / 2
    return total


def _shares(some: Counts, others: Counts) -> dict[Hashable, tuple[float, float]]:
    sizes = sum(some.values()), sum(others.values())
    return {
        name: (some.get(name, 0) / sizes[0], others.get(name, 0) / sizes[1])
        for name in dict.fromkeys([*some, *others])
    }


def _by_chance(some: Counts, others: Counts) -> float:
    """The divergence that two samples of one kind hardly ever exceed.

    For small differences it is an eighth of a chi-squared value by the sizes, with a degree of freedom less
    than there are names; its far quantile is Wilson and Hilferty's.
    """
    freedom = len({*some, *others}) - 1
    if freedom < 1:
        return 0.0
    scale = 2 / (9 * freedom)
    far = freedom * (1 - scale + CHANCE_SIGMAS * sqrt(scale)) ** 3
    sizes = 1 / sum(some.values()) + 1 / sum(others.values())
    return far * sizes / (8 * log(2))


def drifts(profile: ProfileStage, rules: ChecksConfig, store: PartitionStore, keys: Sequence[str]) -> Finding:
    """Sources and days whose records are otherwise long than usually, or in other languages."""
    days = store.keys(profile.table)
    faults: list[Fault] = []
    judged = set()
    farthest = 0.0
    shapes = _shapes(profile, store)
    for key in keys:
        for place, day, before in _compared(shapes, days, key, rules):
            judged.add(key)
            found = drift(day, before)
            farthest = max(farthest, found)
            if found > rules.max_drift:
                faults.append({PARTITION: key, **_shown(place, found, rules), **_most(day, before)})
    return Finding.of(len(judged), faults, farthest=round(farthest, 4))


def _shapes(profile: ProfileStage, store: PartitionStore) -> Shapes:
    @cache
    def of_day(key: str) -> Mapping[Place, Counts]:
        rows = (row for batch in store.batches(profile.table, key, COLUMNS) for row in batch.to_pylist())
        return {
            (row["unit"], row["source"], what): shape(row) for row in rows for what, shape in SHAPES.items()
        }

    return of_day


def _lengths(row: Mapping[str, Any]) -> Counts:
    """Of all rows, in characters by powers of two."""
    return {_range(step["least"]): step["count"] for step in row["histogram"]}


def _range(least: int) -> str:
    return f"{least:,} to {2 * least - 1:,} characters" if least else "nothing said"


def _languages(row: Mapping[str, Any]) -> Counts:
    """Of the sample that was read."""
    return {each["language"] or "unclear": each["count"] for each in row["languages"]}


SHAPES: Mapping[str, Callable[[Mapping[str, Any]], Counts]] = {"lengths": _lengths, "languages": _languages}


def _compared(
    shapes: Shapes, days: Sequence[str], key: str, rules: ChecksConfig
) -> Iterator[tuple[Place, Counts, Counts]]:
    """Of each shape with enough records on the day, these and those of the days before, together."""

    def enough(day: str, place: Place) -> Counts | None:
        counts = shapes(day).get(place, {})
        return counts if sum(counts.values()) >= rules.min_records else None

    for place in shapes(key):
        if day := enough(key, place):
            before = days_before(key, days, lambda day: enough(day, place), most=rules.baseline_days)  # noqa: B023
            if before:
                yield place, day, _together(before)


def _shown(place: Place, found: float, rules: ChecksConfig) -> Fault:
    unit, source, what = place
    return {"source": source, "unit": unit, "what": what, "drift": round(found, 4), "limit": rules.max_drift}


def _together(days: Sequence[Counts]) -> Counts:
    total: Counter[Hashable] = Counter()
    for day in days:
        total.update(day)
    return total


def _most(day: Counts, before: Counts) -> Mapping[str, str | float]:
    """What changed most."""
    shares = _shares(day, before)
    name = max(shares, key=lambda name: abs(shares[name][0] - shares[name][1]))
    here, there = shares[name]
    return {"mostly": str(name), "share": round(here, 4), "usually": round(there, 4)}
