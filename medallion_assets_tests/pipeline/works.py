"""A pipeline on folders of its own without Dagster: its stages, its store, its landing folder."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from medallion_assets.automation.settle import landed_days
from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets.roots import Roots, cache_folder, project_folder
from medallion_assets.stage import Stage, is_outdated, partitions_to_settle
from medallion_assets.stages import PipelineStages, stages_of
from medallion_assets.storage.still import StillStore
from medallion_assets.storage.store import Append, PartitionStore

LONG_AGO = 1_700_000_000


class Works:
    """What a pipeline does, by hand; with a `bucket`, its store lies there."""

    def __init__(self, folder: Path, config: PipelineConfig, *, bucket: str | None = None) -> None:
        data = cache_folder(bucket) if bucket else folder / "data"
        self.roots = Roots(data, folder / "landing", bucket)
        self.store = PartitionStore(self.roots.store)
        self.stages: PipelineStages = stages_of(config, self.roots, base=project_folder())

    def land(self, name: str, rows: Sequence[Any]) -> Path:
        """An export of JSON lines that was complete long ago."""
        lines = ((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
        return self.drop(name, "".join(lines).encode())

    def drop(self, name: str, content: bytes) -> Path:
        """An export with these bytes."""
        path = self.roots.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (LONG_AGO, LONG_AGO))
        return path

    def build(self, stage: Stage, key: str) -> bool:
        """Whether any byte changed."""
        made = stage.build(self.store, key)
        if isinstance(made, Append):
            return self.store.append(stage.table, key, made).changed
        return self.store.overwrite(stage.table, key, made).changed

    def settle(self, stage: Stage, key: str) -> list[str]:
        """The partition, and the later ones that it settles; those that changed."""
        late = [] if stage.table.append_only else partitions_to_settle(stage, self.store, [key])
        return [day for day in (key, *late) if self.build(stage, day)]

    def build_day(self, day: str) -> list[tuple[str, str]]:
        """What a run of the day does; the tables and days that changed."""
        return [
            (stage.table.full_name, key) for stage in self.stages.all() for key in self.settle(stage, day)
        ]

    def stage(self, name: str) -> Stage:
        """By its table's full name."""
        return next(each for each in self.stages.all() if "/".join(each.asset_path) == name)

    def fingerprint(self) -> dict[str, str]:
        """The SHA-256 of every stored file: parts, manifests, raw copies."""
        layers = [self.roots.data / layer for layer in ("bronze", "silver", "gold")]
        files = [path for layer in layers for path in layer.rglob("*") if path.is_file()]
        return {
            str(path.relative_to(self.roots.data)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
            if path.name != "_cache.json"
        }


def outdated_days(stages: PipelineStages, store: PartitionStore) -> set[date]:
    """Dates with an export that bronze lacks, or with a partition whose inputs or rules have changed."""
    still = StillStore(store)
    days = {
        date.fromisoformat(key)
        for stage in stages.all()
        for key in stage.due(still)
        if is_outdated(stage, still, key)
    }
    return days | landed_days(stages, store)
