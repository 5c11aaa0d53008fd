"""What a consumer has polled and not landed yet: one file of lines, on the disk before anyone sees them.

Belongs here: appending, and reading what a crash left. Does not: what becomes of the lines (exports.py).
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from medallion_assets.storage import files

NAME = "journal.jsonl"


class Journal:
    """The lines since the last landing. `seconds` is since when the oldest of them waits."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._file: int | None = None
        self._begin()

    def _begin(self) -> None:
        self.rows = self.bytes = 0
        self._since: float | None = None

    @property
    def seconds(self) -> float:
        return 0.0 if self._since is None else time.monotonic() - self._since

    def append(self, lines: Sequence[bytes]) -> None:
        """On the disk when it returns. After an error nothing more may be appended: the end may be torn."""
        text = b"".join(line + b"\n" for line in lines)
        if self._file is None:
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            files.sync_folder(self.path.parent)
        view = memoryview(text)
        while view:
            view = view[os.write(self._file, view) :]
        os.fdatasync(self._file)
        self.rows += len(lines)
        self.bytes += len(text)
        if self._since is None:
            self._since = time.monotonic()

    def clear(self) -> None:
        """Once everything in it has landed."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self.path.unlink(missing_ok=True)
        self._begin()


def lines_in(path: Path) -> list[bytes]:
    """Whole lines; what a crash tore is as good as never written, since it was never acknowledged."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return []
    return text.split(b"\n")[:-1]
