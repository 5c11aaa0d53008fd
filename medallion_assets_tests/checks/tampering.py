"""Generations that no stage makes, written through the store as a stage's own would be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from medallion_assets.curate.fingerprint import COMPARED, fingerprints_of
from medallion_assets.schemas import REJECTS
from medallion_assets.stage import Stage
from medallion_assets.storage.manifest import MANIFEST_NAME
from medallion_assets.storage.store import Build, PartitionStore, PartitionWriter
from medallion_assets_tests.pipeline.sample import Site

Rows = list[dict[str, Any]]


def stage_of(site: Site, name: str) -> Stage:
    """By the full name of its table."""
    return next(stage for stage in site.stages.all() if "/".join(stage.asset_path) == name)


def as_they_are(rows: Rows) -> Rows:
    return rows


def tampered(
    stage: Stage,
    store: PartitionStore,
    day: str,
    *,
    rows: Callable[[Rows], Rows] = as_they_are,
    rejects: Callable[[Rows], Rows] = as_they_are,
) -> None:
    """Another generation under the digests of the sound one, so that a rerun sees no reason to mend it."""
    held = {flag: _held(stage, store, day, rejects=flag) for flag in (False, True)}
    (store.folder(stage.table, day) / MANIFEST_NAME).unlink(missing_ok=True)
    build = stage.build(store, day)
    assert isinstance(build, Build)

    def write(writer: PartitionWriter) -> None:
        made = stage.table.schema.table(rows(held[False]))
        writer.rows(made)
        if stage.table.fingerprinted:
            writer.fingerprints(
                fingerprints_of(made, stage.table.schema.name, COMPARED[stage.table.schema.name])
            )
        writer.rejects(REJECTS.table(rejects(held[True])))

    store.overwrite(stage.table, day, Build(build.digests, write))


def _held(stage: Stage, store: PartitionStore, day: str, *, rejects: bool) -> Rows:
    if store.manifest(stage.table, day) is None:
        return []
    return [row for batch in store.batches(stage.table, day, rejects=rejects) for row in batch.to_pylist()]
