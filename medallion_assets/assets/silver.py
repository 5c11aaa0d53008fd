"""Silver assets: a conformed table per source, and one table per data unit."""

from __future__ import annotations

import dagster as dg

from medallion_assets.assets.stage_asset import Shell, settling_plan, stage_asset
from medallion_assets.curate.stage import UnitStage
from medallion_assets.schemas import UNIT_SCHEMAS
from medallion_assets.stages import SourceStages
from medallion_assets.storage.store import PartitionStore

# A unit's day depends on every day up to it. The offset reaches past any start date and is clipped there.
ALL_DAYS_SO_FAR = dg.TimeWindowPartitionMapping(start_offset=-100_000, end_offset=0)


def conformed_asset(
    source: SourceStages, partitions: dg.PartitionsDefinition[str], store: PartitionStore
) -> dg.AssetsDefinition:
    config = source.config
    shell = Shell(
        key=dg.AssetKey(source.conformed.asset_path),
        schema=UNIT_SCHEMAS[config.unit],
        code_version=f"{source.conformed.code_version}-{source.conformed.config_version}",
        description=(
            f"Records of **{config.name}** in the schema of {config.unit}: "
            "parsed, cleaned and past the structural gates."
        ),
        kinds=frozenset({"silver", "parquet"}),
        deps=[dg.AssetDep(dg.AssetKey(source.bronze.asset_path))],
        owners=[config.owner] if config.owner else [],
    )
    return stage_asset(shell, partitions, settling_plan(source.conformed, store))


def unit_asset(
    unit: UnitStage, partitions: dg.PartitionsDefinition[str], store: PartitionStore
) -> dg.AssetsDefinition:
    shell = Shell(
        key=dg.AssetKey(unit.asset_path),
        schema=UNIT_SCHEMAS[unit.unit],
        code_version=f"{unit.code_version}-{unit.config_version}",
        description=(
            f"All sources of **{unit.unit}**, each content once: of equal records the earliest survives, "
            "by landing date, source and record id, whatever the order of processing."
        ),
        kinds=frozenset({"silver", "duckdb", "parquet"}),
        deps=[
            dg.AssetDep(dg.AssetKey(["silver", table.name]), partition_mapping=ALL_DAYS_SO_FAR)
            for _, table in unit.conformed
        ],
    )
    return stage_asset(shell, partitions, settling_plan(unit, store))
