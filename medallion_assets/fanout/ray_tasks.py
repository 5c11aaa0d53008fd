"""The backend `ray`: tasks on the nodes of a Ray cluster that is there, with the store on storage they share.

Belongs here: connecting, the versions of nodes, tasks. Does not: when they run (in_order.py), or clusters:
one is named by RAY_ADDRESS and never started, since on one machine `pool` does the same for less.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from medallion_assets.fanout.backend import BackendMissing, Listen, OtherVersions, Results, Task, nobody
from medallion_assets.fanout.call import Call, Failed, Outcome, Refused, perform
from medallion_assets.fanout.in_order import in_order
from medallion_assets.fanout.versions import versions

T = TypeVar("T")
R = TypeVar("R")

ADDRESS = "RAY_ADDRESS"
# A node that doesn't answer for so long is as good as none: tasks look at versions themselves too.
ANSWER_SECONDS = 60.0
CONNECT_SECONDS = 10.0


class RayTasks:
    """At most so many tasks, by default one for each processor of the cluster."""

    is_elsewhere = True

    def __init__(self, workers: int | None = None) -> None:
        self._workers = workers

    def map(
        self, function: Callable[[T], R], tasks: Sequence[Task[T]], *, listen: Listen = nobody
    ) -> Results[R]:
        ray = connected()
        at_once = self._workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        yield from in_order(_Calls(ray, _remote(ray), at_once), function, tasks, listen=listen)


def connected() -> Any:
    """Ray, connected to the cluster of the environment, all of whose nodes have our versions."""
    try:
        import ray
    except ImportError as error:
        raise BackendMissing(
            "fanout.backend is ray, and Ray is not installed: pip install 'medallion_assets[ray]', "
            "or set fanout.backend to pool"
        ) from error
    if not ray.is_initialized():
        address = os.environ.get(ADDRESS)
        if not address:
            raise BackendMissing(
                f"fanout.backend is ray, and {ADDRESS} is not set: let it name a running cluster, as in "
                "10.0.0.1:6379 (auto for one on this machine), or set fanout.backend to pool"
            )
        _look_for(address)
        with _signals_as_they_are():
            ray.init(address=address, logging_level=logging.WARNING)
        try:
            _refuse_other_versions(ray)
        except BaseException:
            ray.shutdown()
            raise
    return ray


def _look_for(address: str) -> None:
    """Ray itself would ask for many minutes, without a word."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        return  # auto, or another kind of address
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        raise BackendMissing(f"no cluster answers at {address}, which {ADDRESS} names: {error}") from error


def _refuse_other_versions(ray: Any) -> None:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    remote, call, asked = _remote(ray), Call(_nothing, None, versions()), []
    for node in ray.nodes():
        if node["Alive"]:
            place = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            look = remote.options(num_cpus=0, scheduling_strategy=place, name="versions")
            asked.append(look.remote(call))
    answered, _ = ray.wait(asked, num_returns=len(asked), timeout=ANSWER_SECONDS)
    for reference in answered:
        outcome = _outcome(ray, reference)
        if isinstance(outcome, Refused):
            raise OtherVersions(outcome.where, outcome.differences)


def _nothing(_: None) -> None:
    """What is done to look at versions alone."""


def _remote(ray: Any) -> Any:
    """No tries of Ray's own: it would not count those that end for want of memory, and would not end."""
    return ray.remote(num_cpus=1, max_retries=0)(perform)


def _outcome(ray: Any, reference: Any) -> Outcome:
    """What became of a task that has ended."""
    try:
        return cast(Outcome, ray.get(reference))
    except ray.exceptions.RayTaskError as error:  # its function could not be loaded, or its result not sent
        return Failed(f"{error.cause.__class__.__name__}: {error.cause}", str(error))
    except ray.exceptions.RayError as error:
        return Failed(f"its worker was lost: {type(error).__name__}", str(error), of_the_place=True)


@dataclass
class _Calls:
    ray: Any
    remote: Any
    at_once: int
    _busy: dict[Any, int] = field(default_factory=dict)

    def start(self, number: int, name: str, call: Call) -> None:
        self._busy[self.remote.options(name=name).remote(call)] = number

    def finished(self, seconds: float) -> list[tuple[int, Outcome]]:
        ready, _ = self.ray.wait(list(self._busy), num_returns=1, timeout=seconds)
        return [(self._busy.pop(reference), _outcome(self.ray, reference)) for reference in ready]

    def abandon(self) -> None:
        while self._busy:
            reference, _ = self._busy.popitem()
            self.ray.cancel(reference, force=True)


@contextmanager
def _signals_as_they_are() -> Iterator[None]:
    """Ray's own handler of SIGTERM would end a run without a word to Dagster."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
