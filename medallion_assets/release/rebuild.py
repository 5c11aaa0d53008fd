"""A release built again from bronze, in a store of its own.

Belongs here: the scratch store, its bronze, running the stages. Does not: comparing (audit.py). Bronze is
linked and never written to; configuration and tokenizers are those that the release keeps.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets.config.release import ReleaseConfig
from medallion_assets.release.cut import Plan, cut
from medallion_assets.release.lineage import Lineage
from medallion_assets.release.manifest import PinnedExport, Release, ReleaseManifest
from medallion_assets.roots import Roots
from medallion_assets.schemas import BRONZE
from medallion_assets.stages import PipelineStages, stages_of
from medallion_assets.storage import files
from medallion_assets.storage.manifest import MANIFEST_NAME, Digests, Manifest, Part, content_hash, digest_of
from medallion_assets.storage.store import Append, PartitionStore, Table


def bronze_of(export: PinnedExport) -> tuple[Table, str, Part]:
    """The part that renders the export: its table, partition and file."""
    part = Part(export.part, export.part_sha256, export.rows, export.part_bytes, export=export.sha256)
    return Table("bronze", export.source, BRONZE, append_only=True), export.landing_date, part


def rebuilt(release: Release, store: PartitionStore, scratch: Path) -> Release:
    """The release, cut anew in `scratch` from the bronze of `store`."""
    manifest = release.manifest
    lineage = pinned_lineage(release, scratch)
    mine = PartitionStore(scratch)
    _link_bronze(manifest, store, mine)
    for stage in lineage.made():
        for key in lineage.keys(stage, stage.due(mine), mine):
            build = stage.build(mine, key)
            if not isinstance(build, Append):
                mine.overwrite(stage.table, key, build)
    again, _ = cut(Plan(_release_config(manifest), lineage, manifest.configuration), mine)
    return again


def pinned_lineage(release: Release, scratch: Path) -> Lineage:
    """The stages that a rebuild runs. Raises ValidationError where today's code has other keys."""
    return Lineage.of(_release_config(release.manifest), pinned_stages(release, scratch))


def pinned_stages(release: Release, scratch: Path) -> PipelineStages:
    """The stages of the pinned configuration, with the tokenizers that the release keeps."""
    configuration: dict[str, Any] = deepcopy(dict(release.manifest.configuration))
    kept = {pin.recipe: str(release.tokenizer(pin)) for pin in release.manifest.tokenizers}
    for recipe in configuration["recipes"]:
        if recipe["name"] in kept:
            recipe["tokenizer"] = {"path": kept[recipe["name"]]}
    config = PipelineConfig.model_validate(configuration)
    return stages_of(config, Roots(scratch, scratch / "landing"), base=release.folder)


def _release_config(manifest: ReleaseManifest) -> ReleaseConfig:
    return ReleaseConfig.model_validate(
        {
            "name": manifest.name,
            "recipes": list(manifest.recipes),
            "from": manifest.first,
            "to": manifest.last,
            "layouts": list(manifest.layouts),
        }
    )


def _link_bronze(manifest: ReleaseManifest, store: PartitionStore, scratch: PartitionStore) -> None:
    """The pinned exports and no others: what landed since is none of the release's."""
    for (source, day), exports in _by_partition(manifest.exports):
        table = Table("bronze", source, BRONZE, append_only=True)
        folder = scratch.folder(table, day)
        files.make_folder(folder)
        for export in exports:
            (folder / export.part).symlink_to(store.path(*bronze_of(export)).absolute())
        files.replace_atomically(folder / MANIFEST_NAME, _bronze_manifest(exports).encode())


def _by_partition(
    exports: tuple[PinnedExport, ...],
) -> Iterator[tuple[tuple[str, str], list[PinnedExport]]]:
    grouped: dict[tuple[str, str], list[PinnedExport]] = {}
    for export in sorted(exports, key=lambda each: each.sha256):
        grouped.setdefault((export.source, export.landing_date), []).append(export)
    yield from sorted(grouped.items())


def _bronze_manifest(exports: list[PinnedExport]) -> Manifest:
    """As append() writes it, so that what is pinned of it comes out the same."""
    parts = tuple(bronze_of(each)[2] for each in exports)
    return Manifest(
        table_schema=BRONZE.name,
        schema_version=BRONZE.version,
        digests=Digests(inputs=digest_of([each.sha256 for each in exports]), code="", config=""),
        parts=parts,
        rejects=(),
        content_hash=content_hash(parts, ()),
        summary={"exports": {each.sha256: _summary(each) for each in exports}},
    )


def _summary(export: PinnedExport) -> dict[str, Any]:
    order = {} if export.order is None else {"order": export.order}
    return {"file": export.file, "bytes": export.bytes, **order}
