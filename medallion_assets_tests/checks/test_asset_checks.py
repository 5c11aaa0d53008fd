"""The checks through Dagster: a sound run passes, a loss stops what follows, and warnings only warn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from medallion_assets.automation.findings import DISK_ROOM, UP_TO_DATE
from medallion_assets.config import PipelineConfig
from medallion_assets_tests.checks.tampering import stage_of, tampered
from medallion_assets_tests.pipeline.sample import TOKENIZER, Site, alpaca
from medallion_assets_tests.pipeline.units_sample import build_day

DAY, NEXT_DAY = "2024-09-01", "2024-09-02"
CONFIG = PipelineConfig.model_validate(
    {
        "start_date": DAY,
        "sources": [{"name": "alpaca", "unit": "sft_pairs", "format": "alpaca", "max_reject_rate": 0.25}],
        "recipes": [{"name": "packed", "unit": "sft_pairs", "tokenizer": TOKENIZER, "max_length": 128}],
    }
)
Checks = dict[str, tuple[bool, dg.AssetCheckSeverity, dict[str, object]]]

# What time and the store decide, not the run.
WATCHED = (DISK_ROOM, UP_TO_DATE)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path, CONFIG)
    site.land(f"alpaca/{DAY}/a.jsonl", [alpaca(f"ask {n}", "answer") for n in range(3)])
    return site


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def run(site: Site, instance: dg.DagsterInstance, day: str = DAY) -> dg.ExecuteInProcessResult:
    job = site.defs.resolve_implicit_global_asset_job_def()
    tags = {"dagster/partition": day}
    return job.execute_in_process(tags=tags, instance=instance, raise_on_error=False)


def checks(result: dg.ExecuteInProcessResult) -> Checks:
    return {
        f"{each.asset_key.to_user_string()}:{each.check_name}": (
            each.passed,
            each.severity,
            {name: value.value for name, value in each.metadata.items()},
        )
        for each in result.get_asset_check_evaluations()
        if each.check_name not in WATCHED
    }


def materialized(result: dg.ExecuteInProcessResult) -> list[str]:
    events = result.get_asset_materialization_events()
    return [event.asset_key.to_user_string() for event in events if event.asset_key]


def exports_told(result: dg.ExecuteInProcessResult) -> list[dict[str, object]]:
    [table] = (each.metadata["exports"] for each in result.get_asset_check_evaluations() if not each.passed)
    assert isinstance(table, dg.TableMetadataValue)
    return [dict(record.data) for record in table.records]


def test_a_sound_run_passes_every_check(site: Site, instance: dg.DagsterInstance) -> None:
    error, warn = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
    balanced = {
        "partitions_checked": 1,
        "partitions": [DAY],
        "failed_partitions": [],
        "lost_records": 0,
        "surplus_records": 0,
        "examples": {},
    }
    assert checks(run(site, instance)) == {
        "bronze/alpaca:readable_exports": (True, error, {"quarantined": 0}),
        "silver/alpaca_conformed:conservation": (True, error, balanced),
        "silver/alpaca_conformed:reject_rate": (True, warn, {"highest_rate": 0.0, "too_high": {}}),
        "silver/sft_pairs:conservation": (True, error, balanced),
        "silver/sft_pairs:removal_rate": (True, warn, {"highest_rate": 0.0, "too_high": []}),
        "gold/packed:conservation": (True, error, balanced),
    }


@pytest.mark.parametrize(
    ("name", "reached"),
    [("silver/alpaca_conformed", 2), ("silver/sft_pairs", 3), ("gold/packed", 5)],
)
def test_a_lost_row_stops_all_that_follows(
    name: str, reached: int, site: Site, instance: dg.DagsterInstance
) -> None:
    build_day(site, DAY)
    tampered(stage_of(site, name), site.store, DAY, rows=lambda rows: rows[:-1])
    result = run(site, instance)
    assert not result.success
    path = ["bronze/alpaca", "silver/alpaca_conformed", "silver/sft_pairs", "gold/packed", "silver/profile"]
    assert materialized(result) == path[:reached]
    passed, severity, metadata = checks(result)[f"{name}:conservation"]
    assert (passed, severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert (metadata["surplus_records"], metadata["partitions_checked"]) == (0, 1)
    assert metadata["lost_records"]


def test_only_the_days_of_the_run_are_checked(site: Site, instance: dg.DagsterInstance) -> None:
    site.land(f"alpaca/{NEXT_DAY}/b.jsonl", [alpaca("other", "words")])
    for day in (DAY, NEXT_DAY):
        build_day(site, day)
    tampered(stage_of(site, "silver/sft_pairs"), site.store, DAY, rows=lambda rows: [*rows, rows[0]])
    assert run(site, instance, NEXT_DAY).success
    assert not run(site, instance, DAY).success


def test_a_broken_export_is_told_until_it_is_replaced_and_stops_nothing(
    site: Site, instance: dg.DagsterInstance
) -> None:
    broken = site.land(f"alpaca/{DAY}/b.json", ["[{"])
    first = run(site, instance)
    site.land(f"alpaca/{DAY}/b.json", [[alpaca("mended", "words")]])
    second = run(site, instance)
    assert (first.success, second.success) == (True, True)
    passed, _, metadata = checks(first)["bronze/alpaca:readable_exports"]
    assert (passed, metadata["quarantined"]) == (False, 1)
    assert [(row["file"], row["landed"]) for row in exports_told(first)] == [(f"{DAY}/{broken.name}", DAY)]
    assert checks(second)["bronze/alpaca:readable_exports"][0]


@pytest.mark.parametrize(("rejected", "passed"), [(1, True), (2, False)])
def test_the_reject_rate_warns_beyond_the_sources_own_bound(
    rejected: int, passed: bool, site: Site, instance: dg.DagsterInstance
) -> None:
    """One of four is exactly the bound."""
    site.land(f"alpaca/{DAY}/bad.jsonl", ["{}"] * rejected)
    result = run(site, instance)
    rate = rejected / (3 + rejected)
    too_high = {} if passed else {DAY: round(rate, 4)}
    assert result.success
    assert checks(result)["silver/alpaca_conformed:reject_rate"] == (
        passed,
        dg.AssetCheckSeverity.WARN,
        {"highest_rate": rate, "too_high": too_high},
    )
