"""Laws of releases in Dagster: an asset that cuts, a check that audits, a schedule that does so weekly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from medallion_assets.release.errors import NameTaken, NotSettled
from medallion_assets.release.manifest import find_release
from medallion_assets_tests.pipeline.sample import Site, alpaca, land_three_days
from medallion_assets_tests.release.releases import DAYS, EVERYTHING, flip, with_releases

RELEASE = dg.AssetKey(["releases", "v1"])
BEFORE = "group:bronze or group:silver or group:gold"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path, with_releases(EVERYTHING))
    land_three_days(made)
    return made


def materialize(site: Site, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """The release alone, as the UI's button does."""
    job = site.defs.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(asset_selection=[RELEASE], instance=instance)


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    [event] = result.asset_materializations_for_node("releases__v1")
    return {name: value.value for name, value in event.metadata.items()}


def test_the_asset_cuts_once_and_then_leaves_what_is_there(site: Site) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        site.run(DAYS[0], DAYS[-1], instance=instance, select=BEFORE)
        first, again = (materialize(site, instance) for _ in range(2))
    release = find_release("v1", site.store.root)
    assert (metadata(first)["changed"], metadata(again)["changed"]) == (True, False)
    assert metadata(first)["release_id"] == metadata(again)["release_id"] == release.id
    assert metadata(first)["dagster/row_count"] == sum(file.rows or 0 for file in release.manifest.data())
    assert [check.passed for check in first.get_asset_check_evaluations()] == [True]


def test_one_run_over_everything_takes_the_release_along(site: Site) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = site.run(DAYS[0], DAYS[-1], instance=instance)
    assert result.success
    assert find_release("v1", site.store.root).manifest.last == DAYS[-1]


def test_the_run_fails_where_the_name_is_taken_or_the_store_unsettled(site: Site) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        site.run(DAYS[0], instance=instance, select="group:bronze")
        with pytest.raises(NotSettled):
            materialize(site, instance)
        site.run(DAYS[0], DAYS[-1], instance=instance, select=BEFORE)
        materialize(site, instance)
        site.land("alpaca/2024-09-02/late.jsonl", [alpaca("something late", "an answer")])
        site.run(DAYS[0], DAYS[-1], instance=instance, select=BEFORE)
        with pytest.raises(NameTaken):
            materialize(site, instance)


def test_the_weekly_job_audits_and_materializes_nothing(site: Site) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        site.run(DAYS[0], DAYS[-1], instance=instance)
        release = find_release("v1", site.store.root)
        [file, *_] = release.manifest.data("plain")
        flip(release.path(file))
        result = site.defs.resolve_job_def("audit_releases").execute_in_process(instance=instance)
    [check] = result.get_asset_check_evaluations()
    assert (check.asset_key, check.check_name, check.passed) == (RELEASE, "audit", False)
    assert check.severity is dg.AssetCheckSeverity.ERROR
    [record] = check.metadata["found"].value.records  # type: ignore[union-attr]
    assert (record.data["cause"], record.data["where"]) == ("data", f"gold/plain {DAYS[0]}")
    assert not [event for event in result.all_events if event.is_step_materialization]


def test_without_releases_there_is_nothing_to_schedule(tmp_path: Path) -> None:
    schedules = [
        {schedule.name for schedule in Site(tmp_path, with_releases(*releases)).defs.schedules or ()}
        for releases in ((), (EVERYTHING,))
    ]
    always = {"nightly", "prune", "inspection", "sweep"}
    assert schedules == [always, {*always, "audits"}]
