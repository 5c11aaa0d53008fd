"""How a stream is, by what its consumers and its trainers last said of themselves.

Belongs here: the judgement and the figures, as pure functions. Does not: the files (status.py, positions.py),
or Dagster (automation/streams.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum

from medallion_assets.streaming.places import Places
from medallion_assets.streaming.positions import ReaderPosition, positions
from medallion_assets.streaming.status import RUNNING, Status, statuses

# A consumer gives a sign of life every second; landing a large batch may take some.
SILENT_SECONDS = 60.0
UNREACHABLE_SECONDS = 60.0
STANDING_STILL_SECONDS = 300.0
# Members that ended long ago, and were replaced by others, are no news.
FORGOTTEN_SECONDS = 7 * 86_400.0


class Grade(Enum):
    WELL = "well"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Health:
    """`state` names what is wrong, and since when: it stays the same until that changes."""

    grade: Grade
    state: str
    says: str
    figures: Mapping[str, int | float | str] = field(default_factory=dict)
    members: Sequence[Mapping[str, str | int]] = ()


def health_of(places: Places, *, now: float) -> Health:
    return judged(statuses(places.members), positions(places.consumers), now=now)


def judged(members: Sequence[Status], readers: Mapping[str, ReaderPosition], *, now: float) -> Health:
    recent = [each for each in members if now - each.at < FORGOTTEN_SECONDS]
    figures, rows = _figures(members, readers, now), [_row(each, now) for each in recent]
    for trouble in (_nobody, _silent, _cut_off, _standing_still):
        if found := trouble(recent, now):
            return Health(*found, figures, rows)
    lag = figures["lag"]
    says = f"{len(recent)} consumers are at work; {lag:,} messages wait at the broker"
    return Health(Grade.WELL, "at work", says, figures, rows)


Verdict = tuple[Grade, str, str]


def _nobody(members: Sequence[Status], now: float) -> Verdict | None:
    if not members:
        return Grade.WARNING, "nobody", "nobody consumes it: start `medallion stream`"
    if any(each.state == RUNNING for each in members):
        return None
    last = max(each.at for each in members)
    return Grade.WARNING, f"stopped {last:.0f}", f"every consumer was stopped, the last on {_moment(last)}"


def _silent(members: Sequence[Status], now: float) -> Verdict | None:
    """Died, or lost its machine: one that is stopped says so."""
    silent = [each for each in members if each.state == RUNNING and now - each.at > SILENT_SECONDS]
    if not silent:
        return None
    told = ", ".join(f"{each.member} since {_moment(each.at)}" for each in silent)
    all_are = len(silent) == sum(each.state == RUNNING for each in members)
    grade = Grade.ERROR if all_are else Grade.WARNING
    return grade, f"silent {told}", f"no sign of life of {told}: start it again"


def _cut_off(members: Sequence[Status], now: float) -> Verdict | None:
    for each in members:
        since = each.trouble_since
        if each.state == RUNNING and since is not None and now - since > UNREACHABLE_SECONDS:
            says = f"{each.member} since {_moment(since)}: {each.trouble}"
            return Grade.ERROR, f"cut off {each.member} {since:.0f}", says
    return None


def _standing_still(members: Sequence[Status], now: float) -> Verdict | None:
    for each in members:
        if each.state == RUNNING and each.total_lag and now - each.moved_at > STANDING_STILL_SECONDS:
            says = (
                f"{each.total_lag:,} messages wait, and {each.member} got none since {_moment(each.moved_at)}"
            )
            return Grade.ERROR, f"still {each.member} {each.moved_at:.0f}", says
    return None


def _figures(
    members: Sequence[Status], readers: Mapping[str, ReaderPosition], now: float
) -> dict[str, int | float | str]:
    dropped, rejected, skipped = Counter[str](), Counter[str](), Counter[str]()
    for each in members:
        dropped.update(each.dropped)
        rejected.update(each.rejected)
    for reader in readers.values():
        skipped.update(reader.skipped)
    return {
        "lag": sum(each.total_lag for each in members if each.state == RUNNING),
        "landed": sum(each.landed for each in members),
        "exports": sum(each.exports for each in members),
        "delivered_again": sum(each.repeated for each in members),
        "offered": sum(each.offered for each in members),
        "served": sum(reader.served for reader in readers.values()),
        **{f"dropped_{reason}": number for reason, number in sorted(dropped.items())},
        **{f"skipped_{reason}": number for reason, number in sorted(skipped.items())},
        **{f"rejected_{reason}": number for reason, number in sorted(rejected.items())},
        "trainers": len(readers),
    }


def _row(member: Status, now: float) -> dict[str, str | int]:
    return {
        "member": member.member,
        "state": member.state,
        "where": f"{member.host}, process {member.pid}",
        "last_sign_of_life": _moment(member.at),
        "last_offsets": ", ".join(
            f"{partition}: {each}" for partition, each in sorted(member.offsets.items())
        ),
        "lag": member.total_lag,
        "landed": member.landed,
        "trouble": member.trouble or "",
    }


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
