"""A range of days built through all layers by a fan-out, in a store of its own, and what is then stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from medallion_assets.extract.stage import BronzeStage
from medallion_assets.fanout.partitions import Fanout, Made, Partitions
from medallion_assets.progress import Progress
from medallion_assets.stage import Stage, StagePartition
from medallion_assets.storage.store import PartitionStore
from medallion_assets_tests.faults.trees import Tree, tree
from medallion_assets_tests.pipeline.works import Works


def built(works: Works, days: Sequence[str], fanout: Fanout) -> Tree:
    """As a range run builds, asset after asset."""
    for stage in works.stages.all():
        made = made_of(stage, works.store, days)
        progress = Progress(stage.table.full_name, len(made), lambda _: None)
        written = Partitions(works.store, stage.table, made).written(fanout, progress)
        assert [key for key, _ in written] == sorted(days)
    return stored(works.roots.data)


def made_of(stage: Stage, store: PartitionStore, days: Sequence[str]) -> Mapping[str, Made]:
    if isinstance(stage, BronzeStage):
        return stage.made(days, stage.inventory(store, wait=True))
    return {day: StagePartition(stage, stage.table, day) for day in days}


def stored(data: Path) -> Tree:
    """Every file of the store with its SHA-256, but for locks, caches and what counts attempts."""
    return {path: sha256 for path, sha256 in tree(data).items() if not path.startswith(".attempts/")}
