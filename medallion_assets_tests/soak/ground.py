"""Where a soak's steps act: the landing folders, the store, the fault, and the instance that watches them.

Belongs here: files as writers leave them, and questions to the running instance. Does not: the plan
(deliveries.py) or what must hold (verdicts.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from medallion_assets.roots import Roots
from medallion_assets.stage import is_outdated
from medallion_assets.stages import PipelineStages
from medallion_assets.storage.still import StillStore
from medallion_assets.storage.store import PartitionStore
from medallion_assets_tests.instance import Instance
from medallion_assets_tests.soak.deliveries import Export

RUNS = """query ($statuses: [RunStatus!]) {
  runsOrError(filter: {statuses: $statuses}) { ... on Runs { results { runId } } }
}"""
BACKFILLS = (
    """{ partitionBackfillsOrError(limit: 1000) { ... on PartitionBackfills { results { id status } } } }"""
)
ACTIVE_RUNS = ["QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING"]
ACTIVE_BACKFILLS = ("REQUESTED", "CANCELING", "FAILING")


@dataclass
class Ground:
    """The folders and the instance of one soak."""

    roots: Roots
    stages: PipelineStages
    fault: Path
    instance: Instance
    _open: dict[str, IO[bytes]] = field(default_factory=dict)
    _failed_before: int = 0

    @property
    def store(self) -> PartitionStore:
        return PartitionStore(self.roots.data)

    def put(self, export: Export, name: str) -> None:
        """At once under its final name, as careful writers do."""
        path = self._path(export, name)
        hidden = path.with_name(f".{path.name}")
        hidden.write_bytes(export.content)
        os.replace(hidden, path)

    def begin(self, export: Export) -> None:
        """The first half under the final name, and the file stays open."""
        file = self._path(export, export.name).open("wb")
        file.write(export.content[: len(export.content) // 2])
        file.flush()
        self._open[export.sha256] = file

    def complete(self, export: Export) -> None:
        with self._open.pop(export.sha256) as file:
            file.write(export.content[len(export.content) // 2 :])

    def holds(self, export: Export) -> bool:
        bronze = next(each for each in self.stages.bronze() if each.source == export.source)
        store = self.store
        manifests = (store.manifest(bronze.table, key) for key in store.keys(bronze.table))
        return any(part.export == export.sha256 for each in manifests if each for part in each.parts)

    def break_format(self) -> None:
        self._failed_before = self._runs(["FAILURE"])
        self.fault.touch()

    def heal_format(self) -> None:
        with suppress(FileNotFoundError):
            self.fault.unlink()

    def has_failed(self) -> bool:
        """Whether any run has, since the format was broken."""
        return self._runs(["FAILURE"]) > self._failed_before

    def is_quiet(self) -> bool:
        """Nothing runs or waits to, and no backfill is under way."""
        found = self.instance.graphql(BACKFILLS)["partitionBackfillsOrError"]["results"]
        under_way = any(each["status"] in ACTIVE_BACKFILLS for each in found)
        return not under_way and not self._runs(ACTIVE_RUNS)

    def _runs(self, statuses: list[str]) -> int:
        return len(self.instance.graphql(RUNS, {"statuses": statuses})["runsOrError"]["results"])

    def _path(self, export: Export, name: str) -> Path:
        path = self.roots.landing / export.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def stale_partitions(ground: Ground) -> Iterator[tuple[str, str]]:
    """Table and partition of all that would come out otherwise if it were built now."""
    still = StillStore(ground.store)
    for stage in ground.stages.all():
        for key in sorted(stage.due(still)):
            if is_outdated(stage, still, key):
                yield stage.table.full_name, key
