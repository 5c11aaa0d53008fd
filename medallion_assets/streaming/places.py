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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from medallion_assets.storage import files

STREAMS = "streams"
VARIABLE = "MEDALLION_STREAMS"


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
def held(folder: Path) -> Iterator[bool]:
    """Whether the folder is ours as long as the body runs: nobody else's, living. The kernel frees it."""
    files.make_folder(folder)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
