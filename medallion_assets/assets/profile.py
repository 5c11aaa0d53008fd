"""The profile asset, and what it and the units' assets show of a day: tables and plots as metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from medallion_assets.assets.stage_asset import Plan, Shell, showing_plan, stage_asset
from medallion_assets.curate.stage import UnitStage
from medallion_assets.report.plots import duplicates, markdown_of
from medallion_assets.report.profile_stage import ProfileStage, counts_of_day
from medallion_assets.storage.duck import connect
from medallion_assets.storage.store import PartitionStore, Table

# What the UI calls the subjects of a unit's own asset.
SUBJECTS = {"": "by_source", " records": "funnel"}
REPEATED = ("exact_duplicate", "near_duplicate", "repeated_rollout")


def profile_asset(
    stage: ProfileStage, partitions: dg.PartitionsDefinition[str], store: PartitionStore
) -> dg.AssetsDefinition:
    shell = Shell(
        key=dg.AssetKey(stage.asset_path),
        code_version=f"{stage.code_version}-{stage.config_version}",
        description=(
            "What each source delivered on the day: how many records came how far and why others did not, "
            "and the lengths, turns and languages of those kept."
        ),
        kinds=frozenset({"silver", "parquet", "duckdb"}),
        deps=[dg.AssetDep(dg.AssetKey([table.layer, table.name])) for table in stage.inputs],
    )

    def metadata(key: str) -> Mapping[str, Any]:
        rows = (row for batch in store.batches(stage.table, key) for row in batch.to_pylist())
        return _markdown(markdown_of(rows))

    return stage_asset(shell, partitions, showing_plan(stage, store, metadata))


def unit_plan(unit: UnitStage, bronze: Mapping[str, Table], store: PartitionStore) -> Plan:
    """The plan of a unit's asset whose partitions show how many records of each source came how far."""

    def metadata(key: str) -> Mapping[str, Any]:
        with connect(store.root / ".scratch") as duck:
            found = markdown_of(counts_of_day(duck, unit, bronze, store, key))
        drawn = {SUBJECTS[name.removeprefix(unit.unit)]: text for name, text in found.items()}
        repeated = _duplicates(store, unit, key)
        if any(repeated.values()):
            drawn["duplicates_by_source"] = duplicates(repeated)
        return {"duplicates": sum(repeated.values()), **_markdown(drawn)}

    return showing_plan(unit, store, metadata)


def _duplicates(store: PartitionStore, unit: UnitStage, key: str) -> dict[str, int]:
    """By source, the records of the day that repeat others, whatever the rule that found them."""
    manifest = store.manifest(unit.table, key)
    sources = manifest.summary.get("sources", {}) if manifest else {}
    return {source: sum(counts.get(reason, 0) for reason in REPEATED) for source, counts in sources.items()}


def _markdown(texts: Mapping[str, str]) -> dict[str, Any]:
    return {name: dg.MetadataValue.md(text) for name, text in texts.items()}
