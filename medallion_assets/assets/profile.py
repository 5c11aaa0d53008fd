"""The profile asset, and what of profiles other silver assets show: tables and plots as metadata."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import dagster as dg

from medallion_assets.assets.stage_asset import Shell, settling_plan, stage_asset
from medallion_assets.curate.stage import UnitStage
from medallion_assets.report.plots import markdown_of
from medallion_assets.report.profile_stage import ProfileStage, counts_of_day
from medallion_assets.stage import Stage
from medallion_assets.storage.duck import connect
from medallion_assets.storage.io_manager import PartitionBuilds
from medallion_assets.storage.store import PartitionStore, Table

Plan = Callable[[dg.AssetExecutionContext, list[str]], PartitionBuilds]
Rows = Iterator[Mapping[str, Any]]


def profile_asset(
    stage: ProfileStage, partitions: dg.PartitionsDefinition[str], store: PartitionStore
) -> dg.AssetsDefinition:
    shell = Shell(
        key=dg.AssetKey(stage.asset_path),
        schema=stage.table.schema,
        code_version=f"{stage.code_version}-{stage.config_version}",
        description=(
            "What each source delivered on the day: how many records came how far and why others did not, "
            "and the lengths, turns and languages of those kept."
        ),
        kinds=frozenset({"silver", "parquet", "duckdb"}),
        deps=[dg.AssetDep(dg.AssetKey([table.layer, table.name])) for table in stage.inputs],
    )

    def rows(key: str) -> Rows:
        return (row for batch in store.batches(stage.table, key) for row in batch.to_pylist())

    return stage_asset(shell, partitions, shown_plan(stage, store, rows))


def unit_plan(unit: UnitStage, bronze: Mapping[str, Table], store: PartitionStore) -> Plan:
    """The plan of a unit's asset whose partitions show how many records came how far."""

    def rows(key: str) -> Rows:
        with connect(store.root / ".scratch") as duck:
            yield from counts_of_day(duck, unit, bronze, store, key)

    return shown_plan(unit, store, rows)


def shown_plan(stage: Stage, store: PartitionStore, rows: Callable[[str], Rows]) -> Plan:
    """The stage's plan, showing tables and plots of what `rows` gives for a partition once it is written."""
    settle = settling_plan(stage, store)

    def metadata(key: str) -> Mapping[str, Any]:
        return {name: dg.MetadataValue.md(text) for name, text in markdown_of(rows(key)).items()}

    def plan(context: dg.AssetExecutionContext, asked: list[str]) -> PartitionBuilds:
        return replace(settle(context, asked), metadata=metadata)

    return plan
