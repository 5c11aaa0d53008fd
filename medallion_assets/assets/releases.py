"""Release assets: one per release of the configuration, without partitions.

Belongs here: what an asset shows. Does not: cutting (release/cut.py).
No postponed annotations in this module: Dagster reads the context's.
"""

from typing import Any

import dagster as dg

from medallion_assets.release.cut import Plan, cut
from medallion_assets.release.manifest import REPORT_NAME, Release
from medallion_assets.report.digest import digest_of
from medallion_assets.report.release import figures_of
from medallion_assets.storage.store import PartitionStore

GROUP = "releases"


def release_key(name: str) -> dg.AssetKey:
    return dg.AssetKey([GROUP, name])


def release_asset(plan: Plan, store: PartitionStore) -> dg.AssetsDefinition:
    config = plan.config

    @dg.asset(
        key=release_key(config.name),
        group_name=GROUP,
        deps=[dg.AssetKey(stage.asset_path) for stage in plan.lineage.gold()],
        description=(
            f"{', '.join(config.recipes)}, frozen from {config.first} to {config.last}: never changed, and "
            "built again by its audit."
        ),
        kinds={"gold", "huggingface", "parquet"},
    )
    def release(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        found, is_new = cut(plan, store)
        if not is_new:
            context.log.info(f"{config.name} is there already, of the same partitions; nothing to do")
        return dg.MaterializeResult(metadata=_metadata(found, is_new=is_new))

    return release


def _metadata(release: Release, *, is_new: bool) -> dict[str, Any]:
    data = list(release.manifest.data())
    rows = sum(file.rows or 0 for file in data)
    return {
        "report": dg.MetadataValue.md(_report(release)),
        "report_page": dg.MetadataValue.path(release.place.shown(REPORT_NAME)),
        "dagster/row_count": rows,
        "dagster/size_bytes": sum(file.size for file in release.manifest.files),
        "tokens": sum(file.tokens or 0 for file in data),
        "files": len(release.manifest.files),
        "exports": len(release.manifest.exports),
        "release_id": release.id,
        "path": dg.MetadataValue.path(release.place.shown()),
        "changed": is_new,
    }


def _report(release: Release) -> str:
    """The page's figures: browsers open no local file from a web page, so the page itself is a path only."""
    manifest, folder = release.manifest, release.folder
    release.paths(manifest.files)
    return digest_of(manifest, {name: figures_of(manifest, name, folder) for name in manifest.recipes})
