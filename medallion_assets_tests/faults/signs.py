"""Places in the pipeline where a process of the instance dies, waits or fails, because a file says so.

Belongs here: the places, which the code location plants in itself, and the files, which a test writes. Does
not: what is expected of the instance afterwards (daemons.py).
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from medallion_assets_tests.faults import shifted
from medallion_assets_tests.instance import DEFINITIONS, wait_for

VARIABLE = "FAULTS_SIGNS"
DIE, HOLD, FAIL = "die", "hold", "fail"
FAULT = "it fails while a sign says so"
HELD_SECONDS = 60.0
LOOK_SECONDS = 0.02
PLANTED = f"from medallion_assets_tests.faults.signs import plant\nplant()\n{DEFINITIONS}"


class Signs:
    """What a test writes. A place is `looking SOURCE`, `before TABLE` or `after TABLE`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, place: str, action: str) -> None:
        hidden = self.folder / ".new"
        hidden.write_text(action)
        hidden.rename(_sign(self.folder, place))

    def held(self, place: str) -> int:
        """The process that has come there and waits."""
        found = _sign(self.folder, place).with_suffix(".held")
        return int(wait_for(lambda: found.exists() and found.read_text(), seconds=HELD_SECONDS, what=place))

    def is_there(self, place: str) -> bool:
        return _sign(self.folder, place).exists()

    def clear(self) -> None:
        for path in self.folder.iterdir():
            path.unlink(missing_ok=True)


def plant() -> None:
    """From now on, in this process, each place looks for its sign, and the clock for its shift."""
    from medallion_assets.extract.stage import BronzeStage
    from medallion_assets.storage.store import PartitionStore

    shifted.follow(Path(os.environ[shifted.VARIABLE]))
    folder = Path(os.environ[VARIABLE])

    def around(write: Callable[..., Any]) -> Callable[..., Any]:
        def written(store: PartitionStore, table: Any, *arguments: Any) -> Any:
            _at(folder, f"before {table.full_name}")
            found = write(store, table, *arguments)
            _at(folder, f"after {table.full_name}")
            return found

        return written

    def looking(look: Callable[..., Any]) -> Callable[..., Any]:
        def looked(stage: BronzeStage, *arguments: Any, **options: Any) -> Any:
            if not options:  # a sensor: runs wait for files to settle
                _at(folder, f"looking {stage.source}")
            return look(stage, *arguments, **options)

        return looked

    for name in ("overwrite", "append"):
        setattr(PartitionStore, name, around(getattr(PartitionStore, name)))
    BronzeStage.inventory = looking(BronzeStage.inventory)  # type: ignore[method-assign]


def _at(folder: Path, place: str) -> None:
    sign = _sign(folder, place)
    try:
        action = sign.read_text()
    except FileNotFoundError:
        return
    if action == DIE:
        sign.unlink()  # once
        os.kill(os.getpid(), signal.SIGKILL)
    if action == FAIL:
        raise RuntimeError(FAULT)
    held = sign.with_suffix(".held")
    hidden = sign.with_suffix(f".{os.getpid()}")
    hidden.write_text(str(os.getpid()))
    hidden.rename(held)
    while sign.exists():
        time.sleep(LOOK_SECONDS)
    with suppress(FileNotFoundError):
        held.unlink()


def _sign(folder: Path, place: str) -> Path:
    return folder / f"{place.replace('/', '__').replace(' ', '-')}.sign"
