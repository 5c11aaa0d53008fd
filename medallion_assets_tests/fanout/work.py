"""What the tests' workers do: pure functions, and some that end badly on purpose."""

from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path
from typing import NoReturn


def squared(number: int) -> int:
    return number * number


def squared_unless_odd(number: int) -> int:
    if number % 2:
        raise ValueError(f"{number} is odd")
    return squared(number)


def slow_at_first(number: int) -> int:
    """The first tasks end last."""
    time.sleep(max(0.0, 0.02 * (4 - number)))
    return number


def killed_at_first(folder: Path) -> int:
    """Ends its worker as the kernel does, the first time; returns how often it was tried."""
    return _at_first(folder, lambda: os.kill(os.getpid(), signal.SIGKILL))


def stale_at_first(folder: Path) -> int:
    def fail() -> NoReturn:
        raise OSError(errno.ESTALE, "stale file handle")

    return _at_first(folder, fail)


def killed_always(folder: Path) -> None:
    _tries(folder)
    os.kill(os.getpid(), signal.SIGKILL)


def missing(folder: Path) -> None:
    _tries(folder)
    raise FileNotFoundError(errno.ENOENT, "no such file", str(folder))


def unpicklable(_: int) -> object:
    return lambda: None


def busy_until(file: Path) -> int:
    """Tells its process id in the file, and never ends by itself."""
    file.write_text(str(os.getpid()))
    while True:
        time.sleep(1)


def tried(folder: Path) -> int:
    return len(list(folder.iterdir()))


def _at_first(folder: Path, fail: object) -> int:
    number = _tries(folder)
    if number == 1:
        assert callable(fail)
        fail()
    return number


def _tries(folder: Path) -> int:
    """Counts this one; tasks of one folder are never tried at the same time."""
    number = tried(folder) + 1
    (folder / str(number)).touch()
    return number
