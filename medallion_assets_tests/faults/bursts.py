"""Row 25: thousands of exports that land at once before an instance at work.

Belongs here: that each is taken once, in few runs of bounded memory. Does not: the instance (deployment.py).
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import dagster as dg

from medallion_assets.automation.batches import MAX_EXPORTS_A_BATCH
from medallion_assets_tests.faults.daemons import FIRST, Stand, standing
from medallion_assets_tests.faults.deployment import CODE_SERVER, DAEMON
from medallion_assets_tests.faults.fault import Fault
from medallion_assets_tests.faults.layers import alpaca
from medallion_assets_tests.pipeline.works import LONG_AGO

DAYS = 20
REST_SECONDS = 3600.0
# Resident, of any process: a run has some 300 with nothing to do, and DuckDB may take 512.
MAX_MIB = 1024.0
SECONDS_BETWEEN_LOOKS = 0.5


def _burst(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    seeds = list(seeds)
    with standing(ground) as stand:
        with (
            _peak_of(stand.deployment.pid(CODE_SERVER)) as server,
            _peak_of(stand.deployment.pid(DAEMON)) as daemon,
        ):
            exports = [_landed(stand, seed) for seed in seeds]
            for number in range(DAYS):
                stand.calm.build_day(_day(number))
            wrong = stand.rest(seconds=REST_SECONDS) or _too_many_runs(stand, len(seeds))
        wrong = wrong or _too_much(server | daemon)
        bronze = stand.works.stage("bronze/alpaca").table
        manifests = (stand.works.store.manifest(bronze, key) for key in stand.works.store.keys(bronze))
        held = Counter(part.export for each in manifests if each for part in each.parts)
        for export in exports:
            yield wrong or (None if held[export] == 1 else f"{export} is in bronze {held[export]} times")


def _landed(stand: Stand, number: int) -> str:
    """The export's SHA-256. Every tenth repeats a record of another day."""
    rows = [alpaca(f"ask {n}", f"the answer to {n} " * 4) for n in (number, number - number % 10)]
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    for works in (stand.works, stand.calm):
        path = works.roots.landing / "alpaca" / _day(number % DAYS) / f"{number}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (LONG_AGO, LONG_AGO))
    return hashlib.sha256(content).hexdigest()


def _day(number: int) -> str:
    return (FIRST + timedelta(days=number)).isoformat()


def _too_many_runs(stand: Stand, exports: int) -> str | None:
    """A day is never split, and what lands while runs are at work joins later batches."""
    runs = stand.instance.get_runs()
    failed = [run for run in runs if run.status is not dg.DagsterRunStatus.SUCCESS]
    most = 2 * (DAYS + exports // MAX_EXPORTS_A_BATCH)
    return f"{len(runs)} runs, {len(failed)} of them failed" if failed or len(runs) > most else None


@contextmanager
def _peak_of(process_group: int) -> Iterator[dict[int, float]]:
    """By process, runs included, its largest resident memory in MiB."""
    peaks: dict[int, float] = {}
    done = threading.Event()

    def watch() -> None:
        while not done.wait(SECONDS_BETWEEN_LOOKS):
            for pid, mib in _resident(process_group):
                peaks[pid] = max(mib, peaks.get(pid, 0))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peaks
    finally:
        done.set()
        watcher.join()


def _resident(process_group: int) -> Iterator[tuple[int, float]]:
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if os.getpgid(int(folder.name)) == process_group:
                pages = int((folder / "statm").read_text().split()[1])
                yield int(folder.name), pages * os.sysconf("SC_PAGESIZE") / 2**20


def _too_much(peaks: dict[int, float]) -> str | None:
    most = max(peaks.values(), default=0)
    return f"a process held {most:.0f} MiB" if most > MAX_MIB else None


FAULTS = (Fault("burst", "25", "A C, by itself, few runs", _burst, quick=0, full=10_000),)
