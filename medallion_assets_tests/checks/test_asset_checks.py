"""The checks through Dagster: a sound run passes, a loss stops what follows, and warnings only warn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from medallion_assets.automation.findings import DISK_ROOM, UP_TO_DATE
from medallion_assets.checks.finding import Finding
from medallion_assets.checks.kinds import KINDS
from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets_tests.checks.tampering import stage_of, tampered
from medallion_assets_tests.checks.week import CONFIG as WEEK
from medallion_assets_tests.checks.week import (
    LAST,
    SPOILT,
    a_changed_part,
    a_lost_record,
    a_repeated_record,
    an_item_kept,
    land_week,
)
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
AFTER_UNIT = ["gold/packed", "silver/profile"]
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
    return run_range(site, instance, {"dagster/partition": day})


def run_range(site: Site, instance: dg.DagsterInstance, tags: dict[str, str]) -> dg.ExecuteInProcessResult:
    keys = [dg.AssetKey(stage.asset_path) for stage in site.stages.all()]
    job = site.defs.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(asset_selection=keys, tags=tags, instance=instance, raise_on_error=False)


def checks(result: dg.ExecuteInProcessResult) -> Checks:
    return {
        f"{each.asset_key.to_user_string()}:{each.check_name}": (
            each.passed,
            each.severity,
            {name: value.value for name, value in each.metadata.items() if name != "what_is_wrong"},
        )
        for each in result.get_asset_check_evaluations()
        if each.check_name not in WATCHED
    }


def materialized(result: dg.ExecuteInProcessResult) -> list[str]:
    events = result.get_asset_materialization_events()
    return [event.asset_key.to_user_string() for event in events if event.asset_key]


def failure(result: dg.ExecuteInProcessResult) -> tuple[str, str | None, list[dict[str, object]]]:
    """Of the only check that failed: its name, its sentence and its table."""
    [each] = (each for each in result.get_asset_check_evaluations() if not each.passed)
    table = each.metadata["what_is_wrong"]
    assert isinstance(table, dg.TableMetadataValue)
    name = f"{each.asset_key.to_user_string()}:{each.check_name}"
    return name, each.description, [dict(record.data) for record in table.records]


def test_a_sound_run_passes_every_check(site: Site, instance: dg.DagsterInstance) -> None:
    error, warn = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
    one, none = {"partitions_judged": 1}, {"partitions_judged": 0}
    blocking = {"partitions": [DAY], "failed_partitions": []}
    balanced = {**one, **blocking, "lost_records": 0, "surplus_records": 0}
    assert checks(run(site, instance)) == {
        "bronze/alpaca:immutable": (True, error, {**one, **blocking, "files": 1}),
        "bronze/alpaca:readable_exports": (True, error, one),
        "silver/alpaca_conformed:conservation": (True, error, balanced),
        "silver/alpaca_conformed:reject_rate": (True, warn, {**one, "highest_rate": 0.0}),
        "silver/sft_pairs:conservation": (True, error, balanced),
        "silver/sft_pairs:unique_ids": (True, error, {**one, **blocking, "records": 3}),
        "silver/sft_pairs:removal_rate": (True, warn, {**one, "highest_rate": 0.0}),
        "gold/packed:conservation": (True, error, balanced),
        "gold/packed:packing_efficiency": (True, warn, none),
        "silver/profile:drift": (True, warn, {**none, "farthest": 0.0}),
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
    assert (metadata["failing_partitions"], metadata["surplus_records"]) == (DAY, 0)
    assert metadata["lost_records"]


@pytest.mark.parametrize(
    ("spoil", "kept_from_running"),
    [
        (a_changed_part, ["silver/chats_conformed", *AFTER_UNIT]),
        (a_lost_record, AFTER_UNIT),
        (a_repeated_record, AFTER_UNIT),
        (an_item_kept, AFTER_UNIT),
    ],
)
def test_what_blocks_keeps_the_assets_after_it_from_running(
    spoil: Callable[[Site], None], kept_from_running: list[str], tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    site = Site(tmp_path, WEEK)
    land_week(site)
    spoil(site)
    result = run(site, instance, LAST)
    name, _, _ = failure(result)
    assert (name, KINDS[name.split(":")[1]].blocks, result.success) == (SPOILT[spoil], True, False)
    assert set(kept_from_running).isdisjoint(materialized(result))
    assert name.split(":")[0] in materialized(result)


def test_only_the_days_of_the_run_are_checked(site: Site, instance: dg.DagsterInstance) -> None:
    site.land(f"alpaca/{NEXT_DAY}/b.jsonl", [alpaca("other", "words")])
    for day in (DAY, NEXT_DAY):
        build_day(site, day)
    tampered(stage_of(site, "silver/sft_pairs"), site.store, DAY, rows=lambda rows: [*rows, rows[0]])
    assert run(site, instance, NEXT_DAY).success
    assert not run(site, instance, DAY).success


def test_a_range_names_the_days_that_fail(site: Site, instance: dg.DagsterInstance) -> None:
    days = [f"2024-09-{day:02}" for day in range(1, 5)]
    for day in days[1:]:
        site.land(f"alpaca/{day}/b.jsonl", [alpaca(f"ask on {day}", f"answer {n}") for n in range(3)])
    for day in days:
        build_day(site, day)
    for day in days[1:3]:
        tampered(stage_of(site, "silver/alpaca_conformed"), site.store, day, rows=lambda rows: rows[1:])
    ends = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
    result = run_range(site, instance, dict(zip(ends, (days[0], days[-1]), strict=True)))
    name, sentence, table = failure(result)
    assert name == "silver/alpaca_conformed:conservation"
    assert str(sentence).startswith("Records were lost, or are there too often: 2024-09-02, 2024-09-03. ")
    assert [(row["partition"], row["lost"]) for row in table] == [(day, 1) for day in days[1:3]]


def test_a_check_that_can_not_look_fails_and_lets_the_others_look(
    site: Site, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Finding:
        raise OSError("the disk is gone")

    monkeypatch.setattr("medallion_assets.checks.removal.removals", broken)
    result = run(site, instance)
    name, sentence, table = failure(result)
    assert (name, sentence) == ("silver/sft_pairs:removal_rate", "Could not be looked at: see what is wrong.")
    assert table == [{"what": "OSError: the disk is gone"}]
    assert result.success


def test_a_broken_export_is_told_until_it_is_replaced_and_stops_nothing(
    site: Site, instance: dg.DagsterInstance
) -> None:
    broken = site.land(f"alpaca/{DAY}/b.json", ["[{"])
    first = run(site, instance)
    site.land(f"alpaca/{DAY}/b.json", [[alpaca("mended", "words")]])
    second = run(site, instance)
    assert (first.success, second.success) == (True, True)
    name, sentence, table = failure(first)
    assert name == "bronze/alpaca:readable_exports"
    assert sentence == f"Exports could not be read: {DAY}. Put a sound file of the same name in its place."
    assert [(row["file"], row["partition"]) for row in table] == [(f"{DAY}/{broken.name}", DAY)]
    assert checks(second)["bronze/alpaca:readable_exports"][0]


@pytest.mark.parametrize(("rejected", "passed"), [(1, True), (2, False)])
def test_the_reject_rate_warns_beyond_the_sources_own_bound(
    rejected: int, passed: bool, site: Site, instance: dg.DagsterInstance
) -> None:
    """One of four is exactly the bound."""
    site.land(f"alpaca/{DAY}/bad.jsonl", ["{}"] * rejected)
    result = run(site, instance)
    assert result.success
    found, severity, _ = checks(result)["silver/alpaca_conformed:reject_rate"]
    assert (found, severity) == (passed, dg.AssetCheckSeverity.WARN)
    if not passed:
        assert failure(result)[2] == [
            {
                "partition": DAY,
                "source": "alpaca",
                "rate": 0.4,
                "limit": "max_reject_rate 25%",
                "reasons": "2 missing_field",
            }
        ]
