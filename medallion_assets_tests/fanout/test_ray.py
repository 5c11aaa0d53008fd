"""The same bytes from a Ray cluster, and what it is refused for; killing its nodes is `make cluster`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from medallion_assets.fanout import in_order
from medallion_assets.fanout.backend import BackendMissing, OtherVersions, Task, TaskFailed
from medallion_assets.fanout.partitions import Fanout, StoreNotShared, _Partition, _written
from medallion_assets.fanout.ray_tasks import ADDRESS, RayTasks
from medallion_assets.fanout.versions import versions
from medallion_assets.storage.store import PartitionStore, Table
from medallion_assets_tests.fanout import work
from medallion_assets_tests.fanout.cluster import running_cluster
from medallion_assets_tests.fanout.ranges import built
from medallion_assets_tests.fanout.test_partitions import ALL_DAYS, all_units
from medallion_assets_tests.storage.samples import NUMBERS


@pytest.fixture(scope="module")
def _cluster() -> Iterator[None]:
    with running_cluster(1):
        yield


@pytest.mark.usefixtures("_cluster")
def test_a_range_is_the_same_on_a_cluster(tmp_path: Path) -> None:
    here = built(all_units(tmp_path / "local"), ALL_DAYS, Fanout())
    assert built(all_units(tmp_path / "ray"), ALL_DAYS, Fanout(RayTasks(2))) == here


@pytest.mark.usefixtures("_cluster")
def test_results_come_in_order_and_failures_by_name() -> None:
    tasks = [Task(f"task {number}", number) for number in range(8)]
    assert list(RayTasks(3).map(work.slow_at_first, tasks)) == list(range(8))
    results = RayTasks(3).map(work.squared_unless_odd, tasks)
    assert next(results) == 0
    with pytest.raises(TaskFailed, match="task 1: ValueError: 1 is odd") as caught:
        next(results)
    assert "squared_unless_odd" in str(caught.value.__cause__)


@pytest.mark.usefixtures("_cluster")
def test_a_task_whose_worker_is_killed_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert list(RayTasks().map(work.killed_at_first, [Task("a", tmp_path / "a")])) == [2]


@pytest.mark.usefixtures("_cluster")
def test_a_node_of_other_versions_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_order, "versions", lambda: {**versions(), "duckdb": "0.1"})
    with pytest.raises(OtherVersions, match=r"duckdb is .* there and 0.1 here"):
        list(RayTasks().map(work.squared, [Task("n", 1)]))


def test_a_cluster_is_named_by_the_environment_and_never_started(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")
    if ray.is_initialized():
        ray.shutdown()
    monkeypatch.delenv(ADDRESS, raising=False)
    with pytest.raises(BackendMissing, match="RAY_ADDRESS is not set"):
        list(RayTasks().map(work.squared, [Task("n", 1)]))


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BackendMissing, match=r"pip install 'medallion_assets\[ray\]'"):
        list(RayTasks().map(work.squared, [Task("n", 1)]))


def test_a_node_without_the_store_is_refused(tmp_path: Path) -> None:
    task = _Partition(PartitionStore(tmp_path), Table("silver", "x", NUMBERS), "k", work.squared, "mark")  # type: ignore[arg-type]
    with pytest.raises(StoreNotShared, match="every node needs the same storage"):
        _written(task)
