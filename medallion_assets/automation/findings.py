"""What is to be shown of the store and of the feeds, judged by time and by what lies there, not by a run.

Belongs here: findings as plain values. Does not: checks and events of Dagster (watch.py).
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from medallion_assets.automation.settle import MAX_ATTEMPTS, RULES, Judgement, Outdated
from medallion_assets.config.watch import DiskRoomConfig, bytes_of, seconds_of
from medallion_assets.storage.manifest import digest_of
from medallion_assets.storage.store import PartitionStore, Table

UP_TO_DATE, FRESHNESS, DISK_ROOM = "up_to_date", "freshness", "disk_room"
RANGES_SHOWN = 20
GIB = 1 << 30
NANOSECONDS = 1_000_000_000
Row = dict[str, str | int]


@dataclass(frozen=True)
class Finding:
    """One check's word on one asset. `state` is what makes it worth telling anew, if not all of it."""

    check: str
    passed: bool
    says: str
    is_error: bool = False
    figures: Mapping[str, Any] = field(default_factory=dict)
    rows: Sequence[Row] = ()
    state: str | None = None

    @property
    def identity(self) -> str:
        content = [self.passed, self.is_error, self.says, list(self.rows)]
        return digest_of([self.check, self.state] if self.state else [self.check, *content])[:16]


def up_to_date(judgement: Judgement, *, held: Collection[str] = ()) -> Finding:
    """`held` are the partitions that a failed check holds back, outdated or not."""
    if judgement.error is not None:
        return Finding(UP_TO_DATE, passed=False, says=f"it can't be told: {judgement.error}")
    outdated = judgement.outdated
    figures = {"outdated": len(outdated)}
    if not outdated:
        says = "every partition is as it would be if it were built now"
        return Finding(UP_TO_DATE, passed=True, says=says, figures=figures)
    reasons = {
        **_by_cause(outdated),
        f"begun {MAX_ATTEMPTS} times in vain": [key for key, each in outdated.items() if each.given_up],
        "held back by a failed check of what it is made of": [key for key in outdated if key in held],
    }
    rows = [_row(why, keys) for why, keys in reasons.items() if keys]
    says = "; ".join(f"{each['why']}: {each['partitions']}" for each in rows)
    return Finding(UP_TO_DATE, passed=False, says=says, figures=figures, rows=rows)


def rules_alone(judgement: Judgement) -> Judgement:
    """What a run that is at work will not settle by itself."""
    outdated = {key: each for key, each in judgement.outdated.items() if each.cause in RULES}
    return replace(judgement, outdated=outdated)


def _by_cause(outdated: Mapping[str, Outdated]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, each in outdated.items():
        found.setdefault(each.cause.value, []).append(key)
    return found


def freshness(last: float | None, expected_every: str, *, now: float) -> Finding:
    """`last` is when something new landed. Told anew only where lateness begins or ends."""
    if last is None:
        says = f"nothing has landed yet; an export is expected every {expected_every}"
        return Finding(FRESHNESS, passed=False, says=says, state="nothing yet")
    due = last + seconds_of(expected_every)
    figures = {"last_landing": _moment(last), "expected_by": _moment(due)}
    if now <= due:
        says = f"the last export landed on {_moment(last)}"
        return Finding(FRESHNESS, passed=True, says=says, figures=figures, state="in time")
    says = f"late since {_moment(due)}: nothing new since {_moment(last)}, expected every {expected_every}"
    return Finding(FRESHNESS, passed=False, says=says, figures=figures, state=f"late since {due:.0f}")


def last_landing(store: PartitionStore, bronze: Table) -> float | None:
    """When bronze last took an export. A partition is written again only then; empty ones say nothing."""
    found = (
        stamp.written_ns / NANOSECONDS
        for key, stamp in store.stamps(bronze).items()
        if (manifest := store.manifest(bronze, key)) and any(part.export for part in manifest.parts)
    )
    return max(found, default=None)


def disk_room(root: Path, config: DiskRoomConfig) -> Finding:
    """Of the disk that the store lies on."""
    there = next(folder for folder in (root, *root.parents) if folder.exists())
    return room_left(shutil.disk_usage(there).free, shutil.disk_usage(there).total, config)


def room_left(free: int, total: int, config: DiskRoomConfig) -> Finding:
    figures = {
        "free_gib": round(free / GIB, 2),
        "disk_gib": round(total / GIB, 2),
        "free_share": round(free / total, 4),
    }
    for limit, is_error in ((config.error, True), (config.warn, False)):
        if free < bytes_of(limit, total):
            says = (
                f"{free / GIB:.1f} GiB ({free / total:.0%}) are free on the store's disk, less than {limit}"
            )
            state = f"below {limit}"
            return Finding(
                DISK_ROOM, passed=False, says=says, is_error=is_error, figures=figures, state=state
            )
    says = f"{free / GIB:.1f} GiB ({free / total:.0%}) are free on the store's disk"
    return Finding(DISK_ROOM, passed=True, says=says, figures=figures, state="enough")


def _row(why: str, keys: Iterable[str]) -> Row:
    days = sorted(keys)
    ranges = stretches(days)
    shown = ", ".join(ranges[:RANGES_SHOWN])
    more = f" and {len(ranges) - RANGES_SHOWN} more stretches" if len(ranges) > RANGES_SHOWN else ""
    return {"why": why, "count": len(days), "partitions": shown + more}


def stretches(keys: Sequence[str]) -> list[str]:
    """Sorted days, those in a row as one."""
    found: list[list[str]] = []
    for key in keys:
        if found and (date.fromisoformat(key) - date.fromisoformat(found[-1][-1])).days == 1:
            found[-1].append(key)
        else:
            found.append([key])
    return [days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}" for days in found]


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
