"""A Ray cluster of several nodes on this machine, on loopback, which only those with its token may use.

Belongs here: starting it, killing a node or its raylet alone, and its end. Does not: what runs on it.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from benchmarks.process_tree import descendants

# Ray's own switch for systems whose firewalls ask; it takes the first address of the machine otherwise.
ON_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
OBJECT_STORE_BYTES = 80 << 20
# A node that is gone is noticed within some seconds, not half a minute.
QUICK = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 4,
}


class RunningCluster:
    """Nodes of one processor each, if not more. The first can't be lost."""

    def __init__(self, nodes: int, *, processors: int = 1) -> None:
        from ray.cluster_utils import Cluster

        how: dict[str, Any] = {
            "num_cpus": processors,
            "object_store_memory": OBJECT_STORE_BYTES,
        }
        head = {**how, "include_dashboard": False, "_system_config": QUICK}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self._nodes = [self.cluster.add_node(**how) for _ in range(nodes - 1)]

    def raylet_of(self, worker: int) -> int | None:
        """The raylet that the worker was started by; None for the first node's, which is not to be lost."""
        raylets = {node.all_processes["raylet"][0].process.pid for node in self._nodes}
        return next((raylet for raylet in raylets if worker in descendants(raylet)), None)

    def end(self) -> None:
        import ray

        ray.shutdown()
        self.cluster.shutdown()


def kill_tree(process: int) -> None:
    """As when the machine is gone: all at once."""
    for each in [process, *descendants(process)]:
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)


@contextmanager
def running_cluster(nodes: int, *, processors: int = 1) -> Iterator[RunningCluster]:
    """RAY_ADDRESS names it in the body. Skips the test where Ray is not installed."""
    if find_spec("ray") is None:
        pytest.skip("Ray is not installed: pip install '.[ray]'")
    if "ray" not in sys.modules:  # it looks at these once, when it is first imported
        os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32), **ON_LOOPBACK)
    path = os.pathsep.join(folder or str(Path.cwd()) for folder in sys.path)
    with mock.patch.dict(os.environ, {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": path}):
        cluster = RunningCluster(nodes, processors=processors)
        try:
            os.environ["RAY_ADDRESS"] = cluster.cluster.address
            yield cluster
        finally:
            cluster.end()
