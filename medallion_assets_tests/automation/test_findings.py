"""What is said of tables, of sources and of the disk, and that it is said once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from medallion_assets.automation.findings import (
    GIB,
    freshness,
    last_landing,
    room_left,
    stretches,
    up_to_date,
)
from medallion_assets.automation.settle import MAX_ATTEMPTS, Cause, Judgement, Outdated
from medallion_assets.automation.watch import Told, is_news
from medallion_assets.config.file import ConfigError, check
from medallion_assets.config.watch import DiskRoomConfig, bytes_of, seconds_of
from medallion_assets.storage.manifest import Digests
from medallion_assets_tests.automation.settling_sample import (
    CONFIGURATION,
    DAYS,
    RECIPE,
    build,
    configured,
    copy_of,
    land,
    taken,
)
from medallion_assets_tests.pipeline.sample import LONG_AGO, Site, alpaca

HOUR = 3600
GOLD = dg.AssetKey(["gold", "packed"])


def outdated(cause: Cause, *, attempts: int = 0) -> Outdated:
    return Outdated(cause, Digests("", "", ""), attempts)


def test_what_is_outdated_is_told_by_cause_and_what_waits_for_a_person_too() -> None:
    judgement = Judgement(
        {
            DAYS[0]: outdated(Cause.INPUTS),
            DAYS[1]: outdated(Cause.CODE, attempts=MAX_ATTEMPTS),
            DAYS[2]: outdated(Cause.CODE),
        }
    )
    found = up_to_date(judgement, held={DAYS[2]})
    assert (found.passed, found.is_error, found.figures) == (False, False, {"outdated": 3})
    assert list(found.rows) == [
        {"why": "other inputs", "count": 1, "partitions": DAYS[0]},
        {"why": "other code", "count": 2, "partitions": f"{DAYS[1]} to {DAYS[2]}"},
        {"why": "begun 3 times in vain", "count": 1, "partitions": DAYS[1]},
        {"why": "held back by a failed check of what it is made of", "count": 1, "partitions": DAYS[2]},
    ]


def test_what_can_t_be_judged_is_no_success() -> None:
    found = up_to_date(Judgement(error="OSError: gone"))
    assert (found.passed, found.says) == (False, "it can't be told: OSError: gone")


def test_days_in_a_row_are_one_stretch_over_the_end_of_a_month() -> None:
    keys = ["2024-08-30", "2024-08-31", "2024-09-01", "2024-09-03"]
    assert stretches(keys) == ["2024-08-30 to 2024-09-01", "2024-09-03"]


def test_a_source_is_late_after_its_time_and_that_is_told_once() -> None:
    at_noon = LONG_AGO
    in_time, late, later = (freshness(at_noon, "26h", now=at_noon + n * HOUR) for n in (26, 27, 99))
    assert (in_time.passed, late.passed, later.identity) == (True, False, late.identity)
    assert late.says == (
        "late since 2023-11-16 00:13 UTC: nothing new since 2023-11-14 22:13 UTC, expected every 26h"
    )
    assert freshness(at_noon + HOUR, "26h", now=at_noon + 99 * HOUR).identity != late.identity
    assert not freshness(None, "26h", now=at_noon).passed


def test_the_last_landing_is_when_bronze_took_it_and_empty_days_say_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path, configured())
    bronze = site.stages.sources[0].bronze
    assert last_landing(site.store, bronze.table) is None
    site.store.append(bronze.table, DAYS[2], bronze.build(site.store, DAYS[2]))
    assert last_landing(site.store, bronze.table) is None
    site.land(f"alpaca/{DAYS[0]}/a.jsonl", [alpaca("ask", "answer")])
    taken(site)
    manifest = site.store.folder(bronze.table, DAYS[0]) / "_manifest.json"
    os.utime(manifest, (LONG_AGO, LONG_AGO))
    assert last_landing(site.store, bronze.table) == LONG_AGO


@pytest.mark.parametrize(
    ("free", "passed", "is_error"), [(11, True, False), (9, False, False), (2, False, True)]
)
def test_a_disk_that_runs_full_warns_and_then_is_an_error(free: int, passed: bool, is_error: bool) -> None:
    found = room_left(free * GIB, 100 * GIB, DiskRoomConfig(warn="10%", error="3GiB"))
    assert (found.passed, found.is_error) == (passed, is_error)


def test_durations_and_sizes_are_read_and_refused_with_what_is_expected() -> None:
    assert [seconds_of(text) for text in ("45m", "26h", "7d", "2w", "30s")] == [
        2700,
        93600,
        604800,
        1209600,
        30,
    ]
    assert [bytes_of(text, 1000) for text in ("10%", "1.5GiB", "2 TiB")] == [100, 3 << 29, 2 << 40]
    config = {
        **CONFIGURATION,
        "sources": [CONFIGURATION["sources"][0] | {"expected_every": "1 day"}],
        "disk_room": {"warn": "200%"},
        "settle": {"after": "0m"},
    }
    with pytest.raises(ConfigError) as error:
        check(config)
    assert [problem.message for problem in error.value.problems] == [
        "got '1 day': value error, expected a duration: a number and s, m, h, d or w, as in 45m, 26h or 7d",
        "got '0m': value error, expected a duration: a number and s, m, h, d or w, as in 45m, 26h or 7d",
        "got '200%': value error, expected a share of the disk or a size, as in 10%, 500MiB, 50GiB or 1.5TiB",
    ]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def tick(site: Site, instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    context = dg.build_sensor_context(instance=instance, definitions=site.defs, cursor=cursor)
    result = site.defs.get_sensor_def("watch")(context)
    assert isinstance(result, dg.SensorResult)
    return result


def told(result: dg.SensorResult) -> dict[str, bool]:
    events = [event for event in result.asset_events if isinstance(event, dg.AssetCheckEvaluation)]
    return {f"{event.asset_key.to_user_string()}:{event.check_name}": event.passed for event in events}


def test_the_sensor_tells_what_changed_and_nothing_twice(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    site = Site(tmp_path / "one", configured())
    land(site)
    build(site)
    first = tick(site, instance)
    assert set(told(first).values()) <= {True, told(first)["store:disk_room"]}
    assert told(tick(site, instance, first.cursor)) == {}
    assert told(tick(site, instance, '{"a": 1}')) == told(first)  # the cursor of another version
    other = copy_of(tmp_path / "one", tmp_path / "two", recipes=[RECIPE | {"max_length": 64}])
    stale = tick(other, instance, first.cursor)
    assert told(stale) == {"gold/packed:up_to_date": False}
    assert told(tick(other, instance, stale.cursor)) == {}
    build(other)
    assert told(tick(other, instance, stale.cursor)) == {"gold/packed:up_to_date": True}


def test_the_same_is_told_again_behind_a_later_materialization_but_not_all_the_time() -> None:
    before = Told("late", 1, 0.0)
    assert is_news(None, before, passed=True)
    assert is_news(before, Told("in time", 1, 1.0), passed=True)
    assert not is_news(before, Told("late", 1, 9_999.0), passed=False)
    assert [is_news(before, Told("late", 2, at), passed=False) for at in (59.0, 60.0)] == [False, True]
    assert [is_news(before, Told("late", 2, at), passed=True) for at in (299.0, 300.0)] == [False, True]


def test_what_a_run_is_about_to_settle_is_not_told(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    site = Site(tmp_path, configured())
    land(site)
    build(site)
    before = tick(site, instance)
    site.land(f"alpaca/{DAYS[1]}/late.jsonl", [alpaca("late", "answer")])
    taken(site)
    job = site.defs.resolve_job_def("ingest_alpaca")
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    during = tick(site, instance, before.cursor)
    assert told(during) == {}
    instance.report_run_failed(run)
    assert told(tick(site, instance, during.cursor)) == {
        "silver/alpaca_conformed:up_to_date": False,
        "silver/profile:up_to_date": False,
    }
