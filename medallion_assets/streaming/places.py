"""Where a stream keeps its files: one folder, on a disk that consumers and trainers share.

Belongs here: names of folders, and the lock that says whose one is. Does not: what is in the files.

<data>/streams/<stream>/
    members/<member>/journal.jsonl   what was polled and is not landed yet
                     status.json     how the consumer is
                     dropped.jsonl   what was never offered to trainers, and why
    buffer/                          what trainers read
    consumers/<name>/log.jsonl       what a trainer was given, step by step
                     position.json   where it is
    plans/<digest>.json              how records were read, so that they can be read so again
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from medallion_assets.storage import files

STREAMS = "streams"
VARIABLE = "MEDALLION_STREAMS"
# Another consumer may be taking on what we left behind.
TRIES, TRY_EVERY_SECONDS = 100, 0.1


def streams_folder(data: Path) -> Path:
    """Of all streams: MEDALLION_STREAMS, or in the store's folder."""
    return Path(os.environ.get(VARIABLE) or data / STREAMS).absolute()


@dataclass(frozen=True)
class Places:
    """The folder of one stream."""

    root: Path

    @property
    def members(self) -> Path:
        return self.root / "members"

    @property
    def buffer(self) -> Path:
        return self.root / "buffer"

    @property
    def consumers(self) -> Path:
        return self.root / "consumers"

    @property
    def plans(self) -> Path:
        return self.root / "plans"

    @property
    def landing_lock(self) -> Path:
        return self.root / "landing.lock"


@contextmanager
def held(folder: Path, *, tries: int = 1) -> Iterator[bool]:
    """Whether the folder is ours as long as the body runs: nobody else's, living. The kernel frees it.

    Who means to stay tries several times: others look for a moment whether somebody is there.
    """
    files.make_folder(folder)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        yield _is_locked(descriptor, tries)
    finally:
        os.close(descriptor)


def _is_locked(descriptor: int, tries: int) -> bool:
    for left in reversed(range(tries)):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(TRY_EVERY_SECONDS if left else 0)
        else:
            return True
    return False
