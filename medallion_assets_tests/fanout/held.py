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

HELD, LET_GO, AGAIN = "held", "let go", "again"


@dataclass(frozen=True)
class Held:
    """Its first builder writes its rows and stops before they are named; others only say that they came."""

    made: Made
    folder: Path

    def __call__(self, store: PartitionStore) -> Build | Append:
        build = self.made(store)
        if isinstance(build, Append):
            raise TypeError("only what is overwritten is held")
        if self._is_first():
            return replace(build, write=self._stopping(build.write))
        (self.folder / AGAIN).touch()
        return build

    def _is_first(self) -> bool:
        with suppress(FileExistsError):
            with (self.folder / HELD).open("x") as file:
                file.write(str(os.getpid()))
            return True
        return False

    def _stopping(self, write: Callable[[PartitionWriter], None]) -> Callable[[PartitionWriter], None]:
        def stopping(writer: PartitionWriter) -> None:
            write(writer)
            while not (self.folder / LET_GO).exists():
                time.sleep(0.02)

        return stopping
