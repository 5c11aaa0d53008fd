"""Row 35, of an instance at work: its clock jumps by hours, days or years, and back.

Belongs here: what jumps, and that all goes on by itself once the clock is right. Does not: files' times
(landing.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import dagster as dg

from medallion_assets_tests.faults.daemons import Stand, standing
from medallion_assets_tests.faults.deployment import CODE_SERVER, DAEMON
from medallion_assets_tests.faults.fault import Fault, NotHere, chance
from medallion_assets_tests.instance import wait_for

# Of Debian's package of that name; for programs with threads.
FAKETIME = tuple(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
HOUR, DAY, YEAR = 3600, 86_400, 31_556_952
SHIFTS = (HOUR, DAY, 10 * DAY, YEAR, 10 * YEAR)
# What happens while the clock is wrong is not waited for any longer: a day may be none yet.
WRONG_SECONDS = 30.0


def _clock_jumps(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    if not FAKETIME:
        raise NotHere("libfaketime is not installed")
    with standing(ground) as stand:
        clock = ground / "clock"
        _set(clock, 0)
        for name in (DAEMON, CODE_SERVER):
            stand.deployment.kill(name, with_children=True)
        for name in (CODE_SERVER, DAEMON):
            stand.deployment.start(name, environment=_faked(clock))
        for seed in seeds:
            random = chance("jumps", seed)
            shift = random.choice((-1, 1)) * random.choice(SHIFTS)
            _jump(stand, random, clock, shift)
            wrong = stand.rest()
            yield wrong and f"after a jump of {shift / DAY:.1f} days {wrong}"


def _faked(clock: Path) -> dict[str, str]:
    """Deadlines within a process go by another clock, as they do everywhere."""
    return {
        "LD_PRELOAD": str(FAKETIME[0]),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }


def _set(clock: Path, shift: int) -> None:
    hidden = clock.with_name(".clock")
    hidden.write_text(f"{shift:+d}")
    hidden.rename(clock)


def _jump(stand: Stand, random: Random, clock: Path, shift: int) -> None:
    """An export lands while the clock is wrong, and another one once it is right again."""
    _set(clock, shift)
    before = stand.runs(dg.DagsterRunStatus.SUCCESS)
    stand.land(random)
    with suppress(TimeoutError):
        wait_for(
            lambda: stand.runs(dg.DagsterRunStatus.SUCCESS) - before,
            seconds=WRONG_SECONDS,
            what="a run",
        )
    time.sleep(random.uniform(0, 3))
    _set(clock, 0)
    stand.land(random)


FAULTS = (Fault("clock_jumps", "35", "A C, by itself, events agree", _clock_jumps, quick=0, full=50),)
