"""A cluster of three nodes that loses one, or only its raylet, while a range is built: nothing shows of it.

usage: python -m pytest medallion_assets_tests/fanout/killed_nodes.py        (make cluster)
Belongs here: what takes three nodes, some minutes and all processors. Does not: the rest (test_ray.py).
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from medallion_assets.config.file import load_config
from medallion_assets.demo.__main__ import CONFIG
from medallion_assets.demo.exports import DAYS, land
from medallion_assets.fanout.backend import LOCAL
from medallion_assets.fanout.partitions import Fanout, Partitions
from medallion_assets.fanout.pool import Pool
from medallion_assets.fanout.ray_tasks import RayTasks
from medallion_assets.progress import Progress
from medallion_assets_tests.fanout.cluster import RunningCluster, kill_tree, running_cluster
from medallion_assets_tests.fanout.held import LET_GO, Held, builder_of
from medallion_assets_tests.fanout.ranges import built, made_of, stored
from medallion_assets_tests.fanout.test_partitions import REAL, WEEK, real_week
from medallion_assets_tests.faults.trees import Tree
from medallion_assets_tests.instance import wait_for
from medallion_assets_tests.pipeline.works import Works

SECONDS = 60.0
STAGES = ("silver/alpaca_conformed", "silver/sft_pairs", "gold/mixed")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return built(real_week(tmp_path_factory.mktemp("local"), REAL), WEEK, Fanout())


@pytest.fixture
def cluster() -> Iterator[RunningCluster]:
    with running_cluster(3) as running:
        yield running


def test_the_demo_is_the_same_everywhere(cluster: RunningCluster, tmp_path: Path) -> None:
    backends = {"local": LOCAL, "pool": Pool(2), "ray": RayTasks(3)}
    trees = []
    for name, backend in backends.items():
        works = Works(tmp_path / name, load_config(CONFIG))
        land(works.roots.landing)
        trees.append(built(works, DAYS, Fanout(backend)))
    assert trees[0] == trees[1] == trees[2]


@pytest.mark.parametrize("kills", ["node", "raylet"])
def test_a_node_that_is_lost_changes_no_byte(
    kills: str, cluster: RunningCluster, here: Tree, tmp_path: Path
) -> None:
    works = real_week(tmp_path, REAL)
    lost = LOSSES[kills]
    for stage in works.stages.all():
        if "/".join(stage.asset_path) == STAGES[0]:
            _built_while(works, lambda worker: lost(cluster, worker), tmp_path)
        made = made_of(stage, works.store, WEEK)
        written = Partitions(works.store, stage.table, made).written(Fanout(RayTasks(3)), _quiet())
        assert [key for key, _ in written] == WEEK
    for stage in works.stages.all():
        works.store.sweep(stage.table, grace_seconds=0)
    assert stored(works.roots.data) == here


def _built_while(works: Works, lose: Callable[[int], bool], folder: Path) -> None:
    """Each day's first builder stops; the first that is not on the head is lost."""
    conformed = works.stage(STAGES[0])
    made = {}
    for key, each in made_of(conformed, works.store, WEEK).items():
        (folder / key).mkdir()
        made[key] = Held(each, folder / key)
    held = threading.Thread(target=_lose_one, args=(folder, lose))
    held.start()
    written = Partitions(works.store, conformed.table, made).written(Fanout(RayTasks(3)), _quiet())
    assert [key for key, _ in written] == WEEK
    held.join()


def _lose_one(folder: Path, lose: Callable[[int], bool]) -> None:
    """Nobody goes on before it; then all do, an orphan too: Ray still hears it, and takes what it makes."""
    lost = wait_for(lambda: _first_lost(folder, lose), seconds=SECONDS, what="a node that may be lost")
    for key in sorted(WEEK, key=lambda key: key == lost):
        (folder / key / LET_GO).touch()


def _first_lost(folder: Path, lose: Callable[[int], bool]) -> str | None:
    held = {key: builder for key in WEEK if (builder := builder_of(folder / key))}
    return next((key for key, builder in held.items() if lose(builder)), None)


def _node(cluster: RunningCluster, worker: int) -> bool:
    raylet = cluster.raylet_of(worker)
    if raylet is not None:
        kill_tree(raylet)
    return raylet is not None


def _raylet(cluster: RunningCluster, worker: int) -> bool:
    """The worker is an orphan then."""
    raylet = cluster.raylet_of(worker)
    if raylet is not None:
        os.kill(raylet, signal.SIGKILL)
    return raylet is not None


LOSSES = {"node": _node, "raylet": _raylet}


def _quiet() -> Progress:
    return Progress("t", len(WEEK), lambda _: None)
