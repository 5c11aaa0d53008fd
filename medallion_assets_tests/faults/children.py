"""Processes that may die: forked in milliseconds from one that has everything imported and runs nothing.

Belongs here: starting, killing and waiting for them. Does not: what they do, or what must hold afterwards.
A process that has run Arrow, DuckDB or a tokenizer has threads, which a fork loses; so the one that forks,
the nursery, only imports.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

MOST_SECONDS = 300
IMPORTED = (
    "dagster",
    "pandas",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "duckdb",
    "medallion_assets.package.units.sft_pairs",
    "medallion_assets.package.choose.select",
    "medallion_assets.release.cut",
    "medallion_assets_tests.storage.samples",
    "medallion_assets_tests.faults.layers",
    "medallion_assets_tests.faults.instances",
)
FAILED = 70
PR_SET_PDEATHSIG = 1


class Hangs(RuntimeError):
    """A process that was given up waiting for."""


@dataclass(frozen=True)
class Child:
    """A running process. It is ended when it is waited for in vain."""

    pid: int
    nursery: Connection

    def kill(self) -> None:
        with suppress(ProcessLookupError):  # it was done already
            os.kill(self.pid, signal.SIGKILL)

    def wait(self, seconds: float = MOST_SECONDS) -> int:
        """Its exit code, or minus the signal that ended it."""
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(self.pid)
            try:
                ready, _, _ = select.select([descriptor], [], [], seconds)
            finally:
                os.close(descriptor)
            if not ready:
                self.kill()
                self.nursery.send(("wait", self.pid))
                self.nursery.recv()
                raise Hangs(f"process {self.pid} is not done after {seconds} seconds")
        self.nursery.send(("wait", self.pid))
        return int(self.nursery.recv())


def start(target: Callable[..., None], *arguments: Any) -> Child:
    """Runs a function of a module in a process of its own; it has begun when this returns."""
    nursery = _nursery()
    nursery.send((target, arguments))
    return Child(nursery.recv(), nursery)


@cache
def _nursery() -> Connection:
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    context.Process(target=_serve, args=(theirs,), daemon=True).start()
    theirs.close()
    ours.recv()
    return ours


def _serve(runner: Connection) -> None:
    for name in IMPORTED:
        import_module(name)
    runner.send("ready")
    while True:
        try:
            order, about = runner.recv()
        except EOFError:
            return
        if order == "wait":
            _, status = os.waitpid(about, 0)
            runner.send(os.waitstatus_to_exitcode(status))
        else:
            runner.send(_forked(order, about))


def _forked(target: Callable[..., None], arguments: tuple[Any, ...]) -> int:
    begun, begins = os.pipe()
    pid = os.fork()
    if pid == 0:
        ends_with_its_parent()
        os.write(begins, b".")
        code = FAILED
        try:
            target(*arguments)
            code = 0
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(code)
    os.read(begun, 1)
    os.close(begun)
    os.close(begins)
    return pid


def ends_with_its_parent() -> None:
    """When the runner goes, so does all of it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
