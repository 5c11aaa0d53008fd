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
from medallion_assets_tests.faults.deployment import DAEMON
from medallion_assets_tests.faults.fault import Fault, chance
from medallion_assets_tests.instance import wait_for

HOUR, DAY, YEAR = 3600, 86_400, 31_556_952
SHIFTS = (HOUR, DAY, 10 * DAY, YEAR, 10 * YEAR)
# What happens while the clock is wrong is not waited for any longer: a day may be none yet.
WRONG_SECONDS = 30.0


def _clock_jumps(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    with standing(ground) as stand:
        for seed in seeds:
            random = chance("jumps", seed)
            shift = random.choice((-1, 1)) * random.choice(SHIFTS)
            _jump(stand, random, shift)
            wrong = stand.rest()
            yield wrong and f"after a jump of {shift / DAY:.1f} days {wrong}"


def _set(clock: Path, shift: int) -> None:
    hidden = clock.with_name(".clock")
    hidden.write_text(str(shift))
    hidden.rename(clock)


def _jump(stand: Stand, random: Random, shift: int) -> None:
    """An export lands while the clock is wrong, and another one once it is right again."""
    _set(stand.deployment.clock, shift)
    before = stand.runs(dg.DagsterRunStatus.SUCCESS)
    stand.land(random)
    with suppress(TimeoutError):
        wait_for(
            lambda: stand.runs(dg.DagsterRunStatus.SUCCESS) - before,
            seconds=WRONG_SECONDS,
            what="a run",
        )
    time.sleep(random.uniform(0, 3))
    _set(stand.deployment.clock, 0)
    # Dagster's queue waits in memory until the clock has caught up: a daemon is started again when it is set.
    stand.deployment.kill(DAEMON)
    stand.deployment.start(DAEMON)
    stand.land(random)


FAULTS = (Fault("clock_jumps", "35", "A C, by itself, events agree", _clock_jumps, quick=0, full=50),)
