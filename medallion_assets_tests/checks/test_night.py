"""Laws of the nightly checks: damage to any file is found; what comes out otherwise is named to the row."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import dagster as dg
import msgspec
import pytest

from medallion_assets.checks.intact import damages
from medallion_assets.checks.rebuild import rebuilt_samples, sample_of
from medallion_assets.checks.store_checks import STORE, store_looks
from medallion_assets.extract.ingest import RAW_NAME
from medallion_assets.stage import Stage
from medallion_assets_tests.checks.tampering import stage_of
from medallion_assets_tests.checks.week import (
    DAYS,
    LAST,
    a_changed_part,
    a_lost_export,
    a_lost_record,
    a_repeated_record,
    conversations,
    failing_at_night,
    rewrite_manifest,
)
from medallion_assets_tests.pipeline.sample import Site

UNIT = "silver/sft_pairs"


def fails(site: Site, name: str) -> bool:
    return not store_looks(site.stages, site.store)[name]("").passed


def on_the_last_day(site: Site, *names: str) -> list[Stage]:
    """These alone, with their last day alone to choose from."""
    stages = [stage_of(site, name) for name in names]
    for stage in stages:
        for day in DAYS[:-1]:
            shutil.rmtree(site.store.folder(stage.table, day))
    return stages


@pytest.mark.parametrize(
    "name", ["bronze/chats", "silver/chats_conformed", UNIT, "gold/packed", "silver/profile"]
)
def test_a_file_that_is_gone_or_cut_short_is_told(name: str, site: Site) -> None:
    [path] = site.store.paths(stage_of(site, name).table, LAST)
    path.write_bytes(path.read_bytes()[:-1])
    assert fails(site, "intact")
    path.unlink()
    found = damages([*site.stages.all()], site.store, seed="")
    assert [(fault["table"], fault["partition"], fault["what"]) for fault in found.faults] == [
        (name, LAST, "is gone")
    ]


def test_a_byte_that_turned_is_told(site: Site) -> None:
    """However old the file looks."""
    [path] = site.store.paths(stage_of(site, "bronze/chats").table, LAST)
    before = path.stat()
    a_changed_part(site)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert failing_at_night(site) == {"intact"}


def test_so_is_one_of_the_raw_bytes(site: Site) -> None:
    raw = site.store.table_folder(stage_of(site, "bronze/chats").table) / RAW_NAME
    [path, *_] = sorted(raw.iterdir())
    path.write_bytes(path.read_bytes().swapcase())
    [fault] = damages([*site.stages.all()], site.store, seed="").faults
    assert (fault["table"], fault["file"]) == ("bronze/chats", path.name)


def test_an_export_that_bronze_lost_is_taken_again(site: Site) -> None:
    """From the bytes that were kept, though its file has gone."""
    table = stage_of(site, "bronze/chats").table
    before = site.store.manifest(table, LAST)
    a_lost_export(site)
    assert site.store.manifest(table, LAST) == before
    assert damages([*site.stages.all()], site.store, seed="").passed


def test_another_version_of_the_schema_is_told(site: Site) -> None:
    rewrite_manifest(
        site, UNIT, lambda manifest: msgspec.structs.replace(manifest, schema_version=99), DAYS[2]
    )
    assert fails(site, "schema")


def test_a_record_of_two_days_is_told(site: Site) -> None:
    a_repeated_record(site)
    assert fails(site, "unique_history")


def test_what_comes_out_otherwise_is_named_to_the_row(site: Site) -> None:
    a_lost_record(site)
    stages = on_the_last_day(site, UNIT)
    [fault] = rebuilt_samples(stages, site.store, seed="").faults
    assert {name: fault[name] for name in ("table", "partition", "row")} == {
        "table": UNIT,
        "partition": LAST,
        "row": 0,
    }
    assert int(str(fault["rows_now"])) == int(str(fault["rows"])) + 1


def test_each_night_has_its_own_samples_and_each_day_its_turn(sound: Site) -> None:
    unit = stage_of(sound, UNIT)
    nights = [sample_of(unit, sound.store, seed=str(night)) for night in range(60)]
    assert nights == [sample_of(unit, sound.store, seed=str(night)) for night in range(60)]
    assert set(nights) == set(DAYS)


def test_what_waits_to_be_settled_is_passed_over(site: Site) -> None:
    """Its bytes may well be others."""
    conformed = stage_of(site, "silver/chats_conformed")
    a_lost_record(site)
    rewrite_manifest(
        site,
        "silver/chats_conformed",
        lambda manifest: msgspec.structs.replace(manifest, content_hash="other"),
    )
    stages = on_the_last_day(site, UNIT)
    assert rebuilt_samples(stages, site.store, seed="").judged == 0
    assert conformed.table in stages[0].inputs


def test_rebuilding_leaves_the_store_as_it_was(site: Site) -> None:
    before = {path: path.stat().st_mtime_ns for path in site.roots.data.rglob("*") if path.is_file()}
    assert rebuilt_samples([*site.stages.all()], site.store, seed="").passed
    after = {path: path.stat().st_mtime_ns for path in site.roots.data.rglob("*") if path.is_file()}
    assert after == before
    assert [*(site.store.root / ".scratch").glob(".tmp-*")] == []


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def test_the_nightly_job_looks_and_materializes_nothing(site: Site, instance: dg.DagsterInstance) -> None:
    a_changed_part(site)
    result = site.defs.resolve_job_def("inspect_store").execute_in_process(instance=instance)
    found = {each.check_name: each.passed for each in result.get_asset_check_evaluations()}
    assert {each.asset_key for each in result.get_asset_check_evaluations()} == {STORE}
    assert found == {"intact": False, "schema": True, "unique_history": True, "reproducible": True}
    assert not [event for event in result.all_events if event.is_step_materialization]


def test_no_run_of_assets_takes_the_nightly_checks_along(site: Site, instance: dg.DagsterInstance) -> None:
    site.land(f"chats/{LAST}/late.jsonl", conversations("late", 2))
    result = site.run(LAST, instance=instance)
    assert STORE not in {each.asset_key for each in result.get_asset_check_evaluations()}
