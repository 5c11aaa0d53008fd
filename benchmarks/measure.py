"""Runs a command as a process of its own and reads what it cost.

Belongs here: wall time, CPU time and peak memory of a whole process tree. Does not: what is run.
"""

from __future__ import annotations

import ctypes
import os
import statistics
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from resource import struct_rusage

# Linux's PR_SET_CHILD_SUBREAPER: processes whose parent has ended become ours.
ADOPT_ORPHANS = 36


@dataclass(frozen=True)
class Cost:
    """Seconds of wall time, seconds of CPU time (user and system), MiB of peak resident memory."""

    wall: float
    cpu: float
    peak_mib: float

    def __str__(self) -> str:
        return f"{self.wall:7.2f} s wall {self.cpu:7.2f} s CPU {self.peak_mib:7.0f} MiB"


def run(command: Sequence[str], *, environment: Mapping[str, str], folder: Path, log: Path) -> Cost:
    """One run, with whatever it leaves running; raises if it fails, with the end of its log."""
    ctypes.CDLL(None).prctl(ADOPT_ORPHANS, 1, 0, 0, 0)
    started = time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **environment}, stdout=output, stderr=output
        )
        _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    usages = [usage, *orphans()]
    if process.returncode:
        raise RuntimeError(f"{command} failed:\n{log.read_text()[-3000:]}")
    cpu = sum(each.ru_utime + each.ru_stime for each in usages)
    return Cost(wall, cpu, max(each.ru_maxrss for each in usages) / 1024)


def orphans() -> Iterator[struct_rusage]:
    """What the processes cost that outlived their parents, as a pool's workers do; waits for their end."""
    with suppress(ChildProcessError):
        while True:
            yield os.wait4(-1, 0)[2]


def median_of(costs: Sequence[Cost]) -> Cost:
    """The median of each figure."""
    return Cost(
        statistics.median(cost.wall for cost in costs),
        statistics.median(cost.cpu for cost in costs),
        statistics.median(cost.peak_mib for cost in costs),
    )
