"""One call in a worker: the function, its argument, the versions that are asked for, and what became of it.

Belongs here: what crosses to a worker and back, whichever kind it is. Does not: how it gets there (pool.py,
ray_tasks.py), or what follows from a failure (in_order.py).
"""

from __future__ import annotations

import errno
import os
import socket
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from medallion_assets.fanout.versions import Versions, differences, versions

# Faults of the place where a task ran, which is another one at the next try.
OF_THE_PLACE = {
    errno.EAGAIN,
    errno.ECONNABORTED,
    errno.ECONNREFUSED,
    errno.ECONNRESET,
    errno.EHOSTUNREACH,
    errno.EIO,
    errno.ENETUNREACH,
    errno.EREMOTEIO,
    errno.ESTALE,
    errno.ETIMEDOUT,
}


@dataclass(frozen=True)
class Call:
    function: Callable[[Any], Any]
    argument: Any
    versions: Versions


@dataclass(frozen=True)
class Done:
    result: Any


@dataclass(frozen=True)
class Failed:
    """Why, and where in the code. `of_the_place` if the task may succeed elsewhere."""

    why: str
    traceback: str = ""
    of_the_place: bool = False

    @staticmethod
    def by(error: Exception) -> Failed:
        of_the_place = isinstance(error, OSError) and error.errno in OF_THE_PLACE
        told = "".join(traceback.format_exception(error))
        return Failed(f"{type(error).__name__}: {error}", told, of_the_place)


@dataclass(frozen=True)
class Refused:
    """A worker of other versions, which does nothing."""

    where: str
    differences: tuple[str, ...]


Outcome = Done | Failed | Refused


def perform(call: Call) -> Outcome:
    """Called in the worker."""
    if different := differences(call.versions, versions()):
        return Refused(this_place(), tuple(different))
    try:
        return Done(call.function(call.argument))
    except Exception as error:
        return Failed.by(error)


def this_place() -> str:
    return f"the worker {os.getpid()} on {socket.gethostname()}"
