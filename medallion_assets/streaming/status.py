"""How a consumer is, as a file that it writes every second: its sign of life, and its figures.

Belongs here: the figures, writing and reading them. Does not: judging them (health.py).
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

NAME, DROPPED = "status.json", "dropped.jsonl"
EVERY_SECONDS = 1.0
RUNNING, STOPPED = "running", "stopped"


class Status(msgspec.Struct, kw_only=True):
    """Of one member. Counts go on over its restarts, and are as of the last sign of life.

    `offsets` and `lag` are by partition. `moved_at` is when a message came last, or when there was none to
    come; `trouble` is what keeps it from its broker, since `trouble_since`.
    """

    stream: str
    member: str
    state: str = RUNNING
    host: str = msgspec.field(default_factory=socket.gethostname)
    pid: int = msgspec.field(default_factory=os.getpid)
    at: float = 0.0
    started_at: float = 0.0
    moved_at: float = 0.0
    trouble: str | None = None
    trouble_since: float | None = None
    offsets: dict[str, str] = msgspec.field(default_factory=dict)
    lag: dict[str, int | None] = msgspec.field(default_factory=dict)
    polled: int = 0
    repeated: int = 0
    landed: int = 0
    exports: int = 0
    offered: int = 0
    rejected: dict[str, int] = msgspec.field(default_factory=dict)
    dropped: dict[str, int] = msgspec.field(default_factory=dict)

    @property
    def total_lag(self) -> int:
        return sum(each for each in self.lag.values() if each is not None)


class Dropped(msgspec.Struct):
    """A line of the log: how many rows, by reason, since the line before."""

    at: float
    rows: dict[str, int]


def count(into: dict[str, int], more: Mapping[str, int]) -> None:
    for reason, number in more.items():
        into[reason] = into.get(reason, 0) + number


class StatusFile:
    """Where the status of a member is kept; what was dropped is told beside it at once, for good."""

    def __init__(self, folder: Path, stream: str, member: str) -> None:
        self._folder = folder
        before = read_status(folder / NAME)
        self.status = before or Status(stream=stream, member=member)
        fresh = Status(stream=stream, member=member, started_at=time.time(), moved_at=time.time())
        for name in ("state", "host", "pid", "started_at", "moved_at", "trouble", "trouble_since"):
            setattr(self.status, name, getattr(fresh, name))
        self.status.dropped = dict(_dropped(folder / DROPPED))
        self._written = 0.0
        self._to_tell: dict[str, int] = {}

    def beat(self, *, at_once: bool = False) -> None:
        """Whole or not at all, but not synced: a sign of life is for the living."""
        if not at_once and time.monotonic() - self._written < EVERY_SECONDS:
            return
        self._written = time.monotonic()
        self.status.at = time.time()
        temporary = self._folder / f".{NAME}"
        temporary.write_bytes(msgspec.json.encode(self.status))
        os.replace(temporary, self._folder / NAME)

    def drop(self, why: str, rows: int) -> None:
        """What trainers are not offered, to be told for good before it leaves the journal: whoever takes a
        journal on counts it again. Bronze has it all the same."""
        count(self.status.dropped, {why: rows})
        count(self._to_tell, {why: rows})

    def tell_dropped(self) -> None:
        """On the disk when it returns."""
        if self._to_tell:
            with (self._folder / DROPPED).open("ab") as file:
                file.write(msgspec.json.encode(Dropped(at=time.time(), rows=self._to_tell)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            self._to_tell = {}

    def in_trouble(self, what: str | None) -> None:
        if what is not None and self.status.trouble is None:
            self.status.trouble_since = time.time()
        if what is None:
            self.status.trouble_since = None
        self.status.trouble = what


def _dropped(log: Path) -> dict[str, int]:
    """All that was ever told, but for a line that a crash tore."""
    found: dict[str, int] = {}
    for line in log.read_bytes().splitlines() if log.exists() else ():
        with suppress(msgspec.DecodeError):
            count(found, msgspec.json.decode(line, type=Dropped).rows)
    return found


def read_status(path: Path) -> Status | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Status)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def statuses(members: Path) -> list[Status]:
    """Of all members that ever were, by name."""
    found = (read_status(path) for path in sorted(members.glob(f"*/{NAME}")))
    return [each for each in found if each is not None]
