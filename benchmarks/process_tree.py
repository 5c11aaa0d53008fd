"""Memory of all processes that a command starts together, as Linux counts it.

Belongs here: watching children while they run. Does not: starting them (measure.py).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

SECONDS_BETWEEN_LOOKS = 0.2


@dataclass
class Peak:
    """The most that the children held at once: memory that several share counts once (PSS)."""

    mib: float = 0.0


@contextmanager
def peak_of_children() -> Iterator[Peak]:
    peak, done = Peak(), threading.Event()
    me = os.getpid()

    def watch() -> None:
        while not done.wait(SECONDS_BETWEEN_LOOKS):
            peak.mib = max(peak.mib, sum(map(_pss_mib, descendants(me))))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def descendants(pid: int) -> Iterator[int]:
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield int(child)
                yield from descendants(int(child))


def _pss_mib(pid: int) -> float:
    """0 for a process that has ended meanwhile."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0
