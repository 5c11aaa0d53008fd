"""The landing sensor and the nightly schedule, on an ephemeral instance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from medallion_assets.automation.batches import MAX_ATTEMPTS
from medallion_assets_tests.pipeline.sample import Site, alpaca

TONIGHT = datetime(2024, 9, 5, 2, tzinfo=UTC)
DAY, NEXT_DAY = "2024-09-01", "2024-09-02"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def tick(site: Site, instance: dg.DagsterInstance) -> dg.SensorResult:
    sensor = site.defs.get_sensor_def("alpaca_landing")
    context = dg.build_sensor_context(instance=instance, definitions=site.defs)
    result = sensor(context)
    assert isinstance(result, dg.SensorResult)
    return result


def execute(site: Site, request: dg.RunRequest, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """Runs what the sensor asked for, with the tags that the daemon gives such a run."""
    job = site.defs.resolve_job_def("ingest_alpaca")
    return job.execute_in_process(
        partition_key=request.partition_key, tags=dict(request.tags), instance=instance, raise_on_error=False
    )


def test_an_empty_landing_folder_leaves_the_sensor_idle(site: Site, instance: dg.DagsterInstance) -> None:
    result = tick(site, instance)
    assert not result.run_requests
    assert result.skip_reason == dg.SkipReason("bronze holds everything")


def test_an_export_is_taken_to_gold_once_and_then_the_sensor_is_idle(
    site: Site, instance: dg.DagsterInstance
) -> None:
    site.land(f"alpaca/{DAY}/a.jsonl", [alpaca("ask", "answer")])
    (request,) = tick(site, instance).run_requests or ()
    assert request.partition_key == DAY
    assert execute(site, request, instance).success
    assert site.store.keys(site.stages.recipes["packed"].table) == [DAY]
    assert not tick(site, instance).run_requests


def test_consecutive_dates_are_one_range_run(site: Site, instance: dg.DagsterInstance) -> None:
    for day in (DAY, NEXT_DAY):
        site.land(f"alpaca/{day}/a.jsonl", [alpaca("ask", day)])
    (request,) = tick(site, instance).run_requests or ()
    ends = [request.tags[f"dagster/asset_partition_range_{end}"] for end in ("start", "end")]
    assert (request.partition_key, ends) == (None, [DAY, NEXT_DAY])
    assert execute(site, request, instance).success
    assert site.store.keys(site.stages.sources[0].bronze.table) == [DAY, NEXT_DAY]


def test_a_file_still_open_for_writing_is_left_alone(site: Site, instance: dg.DagsterInstance) -> None:
    path = site.land(f"alpaca/{DAY}/a.jsonl", [alpaca("ask", "answer")])
    with path.open("ab"):
        result = tick(site, instance)
    assert not result.run_requests
    assert "waiting for 1 files" in str(result.skip_reason)


def test_a_failing_batch_is_tried_three_times_and_then_reported(
    site: Site, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.land(f"alpaca/{DAY}/a.jsonl", [alpaca("ask", "answer")])

    def broken(*_: object, **__: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr("medallion_assets.extract.stage.keep_raw", broken)
    keys = set()
    for _ in range(MAX_ATTEMPTS):
        (request,) = tick(site, instance).run_requests or ()
        keys.add(request.run_key)
        assert not execute(site, request, instance).success
    assert len(keys) == MAX_ATTEMPTS
    result = tick(site, instance)
    assert not result.run_requests
    assert "gave up on 1 batches" in str(result.skip_reason)


def test_a_run_that_fails_after_bronze_is_tried_again(
    site: Site, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.land(f"alpaca/{DAY}/a.jsonl", [alpaca("ask", "answer")])
    (request,) = tick(site, instance).run_requests or ()
    with monkeypatch.context() as patch:
        patch.setattr("medallion_assets.package.units.sft_pairs.write", None)
        assert not execute(site, request, instance).success
    assert site.store.keys(site.stages.sources[0].bronze.table) == [DAY]
    with monkeypatch.context() as patch:  # a store that can't be judged is no reason to stop
        patch.setattr("medallion_assets.automation.sensors.is_outdated", None)
        assert len(tick(site, instance).run_requests or ()) == 1
    (again,) = tick(site, instance).run_requests or ()
    assert (again.partition_key, again.tags["medallion/attempt"]) == (DAY, "2")
    assert execute(site, again, instance).success
    assert not tick(site, instance).run_requests


def test_a_batch_that_was_given_up_is_forgotten_once_somebody_mends_it(
    site: Site, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.land(f"alpaca/{DAY}/a.jsonl", [alpaca("ask", "answer")])
    with monkeypatch.context() as patch:
        patch.setattr("medallion_assets.package.units.sft_pairs.write", None)
        for _ in range(MAX_ATTEMPTS):
            (request,) = tick(site, instance).run_requests or ()
            assert not execute(site, request, instance).success
    assert "gave up on 1 batches" in str(tick(site, instance).skip_reason)
    assert site.run(DAY, instance=instance).success
    assert tick(site, instance).skip_reason == dg.SkipReason("bronze holds everything")


def test_exports_outside_the_partitions_are_reported_not_taken(
    site: Site, instance: dg.DagsterInstance
) -> None:
    site.land("alpaca/2019-01-01/old.jsonl", [alpaca("ask", "answer")])
    result = tick(site, instance)
    assert not result.run_requests
    assert "2019-01-01 lie outside the partitions" in str(result.skip_reason)


def test_the_nightly_schedule_asks_for_what_is_outdated_and_else_for_nothing(site: Site) -> None:
    with dg.instance_for_test() as instance:
        nights(site, instance)


def nights(site: Site, instance: dg.DagsterInstance) -> None:
    def tonight() -> Sequence[dg.RunRequest]:
        schedule = site.defs.get_schedule_def("nightly")
        repository = site.defs.get_repository_def()
        context = dg.build_schedule_context(
            instance=instance, scheduled_execution_time=TONIGHT, repository_def=repository
        )
        return schedule.evaluate_tick(context).run_requests or []

    site.land(f"alpaca/{DAY}/a.jsonl", [alpaca("ask", "answer")])
    (request,) = tonight()
    assert request.partition_key == DAY
    site.run(DAY, instance=instance)
    assert list(tonight()) == []
    site.land(f"alpaca/{DAY}/late.jsonl", [alpaca("late", "answer")])
    (request,) = tonight()
    assert request.partition_key == DAY


def test_the_sweep_job_removes_what_no_partition_names(site: Site, instance: dg.DagsterInstance) -> None:
    site.land(f"alpaca/{DAY}/a.jsonl", [alpaca("ask", "answer")])
    site.run(DAY, instance=instance)
    before = site.fingerprint()
    folder = site.store.folder(site.stages.units["sft_pairs"].table, DAY)
    (folder / ".tmp-left-by-a-crash").touch()
    job = site.defs.resolve_job_def("sweep_store")
    assert job.execute_in_process(instance=instance).success
    assert site.fingerprint() == before
