"""Where a trainer stands and what it was given: its log, a line a step, and the position that others look at.

Belongs here: both files. Does not: choosing what is given (serve.py). The log is the truth, on the disk
before the rows are handed over; the position is a hint.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from medallion_assets.conform.streamed import Position
from medallion_assets.storage import files

LOG, POSITION = "log.jsonl", "position.json"
BLOCK_BYTES = 1 << 16


class Cursor(NamedTuple):
    """The next row: of which chunk, and which of its rows."""

    chunk: int
    row: int


class Given(NamedTuple):
    """One rollout that was served: where it came from, its content's hash, and what makes it one."""

    partition: int
    offset: str
    record_id: str
    rollout_key: str
    run: str
    policy_version: int

    @property
    def position(self) -> Position:
        return Position(self.partition, self.offset)


class LoggedStep(msgspec.Struct, frozen=True, kw_only=True):
    """What a trainer was given at a step, and what it was not given before, by reason.

    `newest` has the newest policy version of each run of the step when it was served; `plan` says how the
    lines were read.
    """

    step: int
    at: float
    plans: tuple[str, ...]
    cursor: Cursor
    newest: dict[str, int]
    given: tuple[Given, ...]
    skipped: dict[str, int]


class ReaderPosition(msgspec.Struct, kw_only=True):
    """For consumers, which free the buffer, and for whoever watches. Counts are those of all steps."""

    chunk: int
    row: int
    step: int = 0
    served: int = 0
    skipped: dict[str, int] = msgspec.field(default_factory=dict)
    at: float = 0.0


class StepLog:
    """The log of one trainer, which appends alone."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOG

    def mend(self) -> None:
        """Takes away a line that a crash tore: its rows were never handed over."""
        if not self.path.exists():
            return
        with self.path.open("r+b") as file:
            file.truncate(_whole(file))
            os.fsync(file.fileno())

    def append(self, step: LoggedStep) -> int:
        """On the disk when it returns; the log's length since."""
        is_new = not self.path.exists()
        with self.path.open("ab") as file:
            file.write(msgspec.json.encode(step) + b"\n")
            file.flush()
            os.fsync(file.fileno())
            end = file.tell()
        if is_new:
            files.sync_folder(self.path.parent)
        return end


def _whole(file: BinaryIO) -> int:
    """Where the last whole line ends."""
    end = file.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - BLOCK_BYTES)
        file.seek(start)
        if (at := file.read(end - start).rfind(b"\n")) >= 0:
            return start + at + 1
        end = start
    return 0


def read_log(path: Path, *, start: int = 0) -> Iterator[LoggedStep]:
    """Steps in order, from a byte of the log on."""
    if not path.exists():
        return
    with path.open("rb") as file:
        file.seek(start)
        for line in file:
            if line.endswith(b"\n"):
                yield msgspec.json.decode(line, type=LoggedStep)


def write_position(folder: Path, position: ReaderPosition) -> None:
    temporary = folder / f".{POSITION}"
    temporary.write_bytes(msgspec.json.encode(position))
    os.replace(temporary, folder / POSITION)


def read_position(path: Path) -> ReaderPosition | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=ReaderPosition)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def positions(consumers: Path) -> dict[str, ReaderPosition]:
    """Of all trainers that ever were, by name."""
    found = {path.parent.name: read_position(path) for path in sorted(consumers.glob(f"*/{POSITION}"))}
    return {name: each for name, each in found.items() if each is not None}
