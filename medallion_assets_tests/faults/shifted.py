"""A process whose clock is as far off as a file says, from one moment to the next.

Belongs here: shifting Python's clock, and a daemon that has it. Does not: what lands meanwhile (clocks.py).
Files keep the system's times, and monotonic clocks go on, as they do where a machine's clock is set.
"""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta, tzinfo
from importlib import import_module
from pathlib import Path

VARIABLE = "FAULTS_CLOCK"
# Whoever asks datetime for the time, by the name that the module has imported it under.
ASKING = (
    "dagster._time",
    "medallion_assets.automation.sensors",
    "medallion_assets.automation.settle",
    "medallion_assets.extract.inventory",
)


def follow(clock: Path) -> None:
    """From now on in this process; without the file the clock is right."""
    true = time.time

    def shift() -> float:
        try:
            return float(clock.read_text())
        except FileNotFoundError:
            return 0.0

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(seconds=shift())

    time.time = lambda: true() + shift()
    for name in ASKING:
        import_module(name).datetime = Shifted  # type: ignore[attr-defined]


if __name__ == "__main__":
    follow(Path(os.environ[VARIABLE]))
    from dagster._daemon.cli import main

    main()
