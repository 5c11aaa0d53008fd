"""Bronze assets, one per source and one per evaluation set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import dagster as dg

from medallion_assets.assets.shown import shown, table_of
from medallion_assets.assets.stage_asset import Shell, stage_asset
from medallion_assets.extract.inventory import Inventory
from medallion_assets.extract.stage import BronzeStage
from medallion_assets.inert import inert
from medallion_assets.storage.io_manager import PartitionBuilds
from medallion_assets.storage.store import PartitionStore

EXPORTS_SHOWN, MAX_NAME_CHARACTERS = 10, 100
AS_LANDED = "Exactly as landed: one row per record with its provenance, raw bytes kept."
REDACTED = "Redacted before anything was stored: one row per record with its provenance, no raw bytes kept."


def bronze_asset(
    stage: BronzeStage,
    *,
    about: str,
    partitions: dg.PartitionsDefinition[str],
    store: PartitionStore,
) -> dg.AssetsDefinition:
    """`about` says what lands, for the description."""

    def plan(context: dg.AssetExecutionContext, asked: list[str]) -> PartitionBuilds:
        inventory = stage.inventory(store, wait=True)
        _log_left_out(context, inventory)
        # What a redaction hashes with is a secret of this process's environment.
        made = stage.made(asked, inventory)
        builds = PartitionBuilds(stage.table, made, stay=stage.redaction is not None)
        return replace(shown(builds, store), metadata=partial(_exports, stage, store))

    shell = Shell(
        key=dg.AssetKey(stage.asset_path),
        code_version=stage.code_version,
        description=f"{about} {REDACTED if stage.redaction else AS_LANDED} Append-only and immutable.",
        kinds=frozenset({"bronze", "parquet"}),
        metadata={"landing_folder": dg.MetadataValue.path(str(stage.landing))},
    )
    return stage_asset(shell, partitions, plan)


def _exports(stage: BronzeStage, store: PartitionStore, key: str) -> Mapping[str, Any]:
    """What landed; the names are others', so they are shown in a table."""
    manifest = store.manifest(stage.table, key)
    exports = manifest.summary["exports"] if manifest else {}
    rows = [
        {
            "file": inert(told["file"])[:MAX_NAME_CHARACTERS],
            "bytes": str(told["bytes"]),
            "sha256": sha256[:16],
        }
        for sha256, told in sorted(exports.items(), key=lambda item: (item[1]["file"], item[0]))[
            :EXPORTS_SHOWN
        ]
    ]
    return {"exports": len(exports), **({"export_files": table_of(rows)} if rows else {})}


def _log_left_out(context: dg.AssetExecutionContext, inventory: Inventory) -> None:
    for file in inventory.unsettled:
        context.log.warning(f"{file!r} is still being written; it will be taken once it is complete")
    for file, why in inventory.refused:
        context.log.warning(f"{file!r} was not taken: it {why}")
    for file in inventory.redelivered:
        context.log.info(f"{file!r} was delivered before, byte for byte; nothing to add")
