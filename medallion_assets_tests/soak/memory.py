"""Resident memory of an instance's lasting processes, looked at every few seconds while a soak runs."""

from __future__ import annotations

import os
import statistics
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SECONDS_BETWEEN_LOOKS = 5.0
ROLES = {"dagster_webserver": "webserver", "dagster._daemon": "daemon", "api grpc": "code server"}
Samples = dict[str, list[float]]  # in MiB, by role


@contextmanager
def watched(process_group: int) -> Iterator[Samples]:
    samples: Samples = {role: [] for role in ROLES.values()}
    done = threading.Event()

    def watch() -> None:
        while not done.wait(SECONDS_BETWEEN_LOOKS):
            for role, mib in _looked_at(process_group):
                samples[role].append(mib)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield samples
    finally:
        done.set()
        watcher.join()


def quarters(samples: list[float]) -> list[float]:
    """The median of each quarter of the time, of as many as there are samples for."""
    length = max(1, -(-len(samples) // 4))
    return [statistics.median(samples[at : at + length]) for at in range(0, len(samples), length)]


def _looked_at(process_group: int) -> Iterator[tuple[str, float]]:
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if os.getpgid(int(folder.name)) != process_group:
                continue
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            role = next((name for mark, name in ROLES.items() if f" {mark} " in command), None)
            if role is not None:
                yield role, int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20
