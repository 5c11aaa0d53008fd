"""The backend `pool`: processes on this machine, started when first needed and kept for the next map.

Belongs here: workers as processes. Does not: what they do (worker.py), or when (in_order.py). Each has a
connection of its own, so that one which dies takes no other's work along, as in Python's own pools; they are
started as programs, never forked, so that threads of this process don't matter.
"""

from __future__ import annotations

import atexit
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any, TypeVar, cast

from medallion_assets.fanout.backend import Listen, Results, Task, nobody
from medallion_assets.fanout.call import Call, Failed, Outcome
from medallion_assets.fanout.in_order import in_order

T = TypeVar("T")
R = TypeVar("R")

CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
# Libraries that would each take all processors for every worker.
THREADS = ("OMP_NUM_THREADS", "RAYON_NUM_THREADS")
END_SECONDS = 5.0


class Pool:
    """At most so many processes, by default one for each processor that this one may use."""

    is_elsewhere = False

    def __init__(self, workers: int | None = None) -> None:
        self._at_once = processors() if workers is None else workers

    def map(
        self, function: Callable[[T], R], tasks: Sequence[Task[T]], *, listen: Listen = nobody
    ) -> Results[R]:
        yield from in_order(_Calls(self._at_once), function, tasks, listen=listen)


def processors() -> int:
    """Those that this process may run on, as far as its container lets it."""
    allowed = len(os.sched_getaffinity(0))
    with suppress(OSError, ValueError):
        quota, period = CPU_QUOTA.read_text().split()
        allowed = min(allowed, max(1, round(int(quota) / int(period))))
    return allowed


@dataclass(frozen=True, eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    connection: Connection

    @staticmethod
    def started(*, threads: int) -> _Worker:
        ours, theirs = Pipe()
        with theirs:
            command = [sys.executable, "-P", "-m", "medallion_assets.fanout.worker", str(theirs.fileno())]
            process = subprocess.Popen(
                command, env=_environment(threads), stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
            )
        return _Worker(process, ours)

    def send(self, call: Call) -> None:
        message = pickle.dumps(call, protocol=pickle.HIGHEST_PROTOCOL)
        with suppress(OSError):  # it is dead, and will be found so
            self.connection.send_bytes(message)

    def answer(self) -> Outcome | None:
        """None where it died instead."""
        try:
            return cast(Outcome, pickle.loads(self.connection.recv_bytes()))  # noqa: S301  # our own process
        except (EOFError, OSError):
            return None

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.connection.close()

    def how_it_ended(self) -> Failed:
        self.connection.close()
        try:
            code = self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:  # it closed its connection and goes on
            self.process.kill()
            code = self.process.wait()
        by = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return Failed(f"its worker {self.process.pid} was ended {by}", of_the_place=True)


def _environment(threads: int) -> dict[str, str]:
    """This process's, with the modules that it finds, and with threads only as its user says."""
    path = os.pathsep.join(folder or str(Path.cwd()) for folder in sys.path)
    return {**dict.fromkeys(THREADS, str(threads)), **os.environ, "PYTHONPATH": path}


# Those that wait for another map of this process. Taken and put back by several threads.
_idle: list[_Worker] = []


@dataclass
class _Calls:
    at_once: int
    _busy: dict[int, _Worker] = field(default_factory=dict)

    def start(self, number: int, name: str, call: Call) -> None:
        worker = self._worker()
        self._busy[number] = worker
        worker.send(call)

    def _worker(self) -> _Worker:
        with suppress(IndexError):
            return _idle.pop()
        return _Worker.started(threads=max(1, processors() // self.at_once))

    def finished(self, seconds: float) -> list[tuple[int, Outcome]]:
        numbers = {worker.connection: number for number, worker in self._busy.items()}
        ready = cast(list[Any], wait(list(numbers), seconds))
        return [(numbers[connection], self._outcome(numbers[connection])) for connection in ready]

    def _outcome(self, number: int) -> Outcome:
        worker = self._busy.pop(number)
        answer = worker.answer()
        if answer is None:
            return worker.how_it_ended()
        _idle.append(worker)
        return answer

    def abandon(self) -> None:
        while self._busy:
            self._busy.popitem()[1].end()


def end_idle() -> None:
    """Ends the workers that wait for another map."""
    with suppress(IndexError):
        while True:
            _idle.pop().end()


atexit.register(end_idle)
os.register_at_fork(after_in_child=_idle.clear)
