"""Through Dagster: partitions show their tables and plots, of a profile and of a unit alike."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from medallion_assets.assets.profile import profile_asset, unit_plan
from medallion_assets.assets.stage_asset import Shell, stage_asset
from medallion_assets.automation.settling import Settling
from medallion_assets.report.profile_stage import ProfileStage
from medallion_assets.storage.io_manager import MedallionIOManager
from medallion_assets_tests.pipeline.sample import Site, alpaca
from medallion_assets_tests.pipeline.units_sample import CONFIG, DAYS, build_day


def test_partitions_show_what_became_of_their_records(tmp_path: Path) -> None:
    site = Site(tmp_path, CONFIG)
    site.land(f"alpaca/{DAYS[0]}/a.jsonl", [alpaca(f"ask {n % 2}", f"answer {n % 2}") for n in range(3)])
    build_day(site, DAYS[0])
    days = dg.DailyPartitionsDefinition(start_date=DAYS[0])
    unit = site.stages.units["sft_pairs"]
    bronze = {source.config.name: source.bronze.table for source in site.stages.sources}
    shell = Shell(dg.AssetKey(unit.asset_path), unit.code_version, "", frozenset())
    shown = [
        stage_asset(shell, days, unit_plan(unit, bronze, site.store)),
        profile_asset(ProfileStage((unit,), bronze, {}), days, site.store),
    ]
    with dg.DagsterInstance.ephemeral() as instance:
        settling = Settling(site.stages, site.store, date.fromisoformat(DAYS[0]), blocking={})
        resources = {"io_manager": MedallionIOManager(site.roots, {}), "settling": settling}
        result = dg.materialize(shown, partition_key=DAYS[0], instance=instance, resources=resources)
    counts, funnel, *others = (text_of(metadata) for metadata in metadata_of(result, "silver/profile"))
    assert counts.endswith("|alpaca|3|3|2|1\xa0exact_duplicate|")
    assert [image[:4] for image in (funnel, *others)] == ["![](", "![](", "![]("]
    of_unit = [text_of(each) for each in metadata_of(result, "silver/sft_pairs")]
    assert (of_unit[:2], of_unit[2][:4]) == ([counts, funnel], "![](")


def metadata_of(result: dg.ExecuteInProcessResult, asset: str) -> list[Any]:
    [event] = result.asset_materializations_for_node(asset.replace("/", "__"))
    metadata: Mapping[str, Any] = event.metadata
    return [value for value in metadata.values() if isinstance(value, dg.MarkdownMetadataValue)]


def text_of(value: dg.MarkdownMetadataValue) -> str:
    return value.md_str or ""
