"""A partition whose first builder stops in the middle of its work, until it is let go or killed.

Belongs here: that, as a task takes it. Does not: who kills it (killed_nodes.py).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from medallion_assets.fanout.partitions import Made
from medallion_assets.storage.store import Append, Build, PartitionStore, PartitionWriter

HELD, LET_GO, CALLED = "held", "let go", "called by "


@dataclass(frozen=True)
class Held:
    """Its first builder writes its rows, and stops before they are named."""

    made: Made
    folder: Path

    def __call__(self, store: PartitionStore) -> Build | Append:
        build = self.made(store)
        if isinstance(build, Append):
            raise TypeError("only what is overwritten is held")
        (self.folder / f"{CALLED}{os.getpid()}").touch()
        return replace(build, write=self._stopping(build.write))

    def _stopping(self, write: Callable[[PartitionWriter], None]) -> Callable[[PartitionWriter], None]:
        def stopping(writer: PartitionWriter) -> None:
            write(writer)
            if self._is_first():
                while not (self.folder / LET_GO).exists():
                    time.sleep(0.02)

        return stopping

    def _is_first(self) -> bool:
        with suppress(FileExistsError):
            with (self.folder / HELD).open("x") as file:
                file.write(str(os.getpid()))
            return True
        return False


def builder_of(folder: Path) -> int | None:
    """The process that stopped."""
    return int(text) if (folder / HELD).exists() and (text := (folder / HELD).read_text()) else None


def callers(folder: Path) -> int:
    """How many processes were about to build it."""
    return len(list(folder.glob(f"{CALLED}*")))
