"""The instance's settings: what dagster.yaml says, and PostgreSQL instead of SQLite by one variable."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

import dagster as dg
import pytest
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster_postgres import PostgresEventLogStorage

from medallion_assets.instance.storage import POSTGRES_URL, EventLog
from medallion_assets_tests.driven import environment_of
from medallion_assets_tests.instance import instance_of
from medallion_assets_tests.pipeline.sample import Site, land_three_days
from medallion_assets_tests.postgres import postgres_programs, running_postgres

DAYS = ("2024-09-01", "2024-09-02", "2024-09-03")


def test_runs_and_events_are_kept_in_sqlite_by_default(tmp_path: Path) -> None:
    with instance_of(tmp_path / "home", {**environment_of(tmp_path), POSTGRES_URL: ""}) as instance:
        assert isinstance(instance.event_log_storage, EventLog)
        assert (tmp_path / "home" / "history").is_dir()


def test_events_are_the_same_whether_connections_stay_open_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of more runs than databases stay open, written by two storages in turn, read by Dagster's own."""
    monkeypatch.setattr("medallion_assets.instance.storage.KEPT_OPEN", 2)
    folder = str(tmp_path / "events")
    writers = [EventLog(folder), EventLog(folder)]
    runs = [f"run{number}" for number in range(3)]
    written = [(run, f"event {number}") for number in range(3) for run in runs]
    for number, (run, message) in enumerate(written):
        writers[number % 2].store_event(entry(run, message))
    for reader in (SqliteEventLogStorage(folder), *writers):
        found = {run: [log.user_message for log in reader.get_logs_for_run(run)] for run in runs}
        assert found == {run: ["event 0", "event 1", "event 2"] for run in runs}
    writers[0].wipe()
    assert writers[0].get_logs_for_run("run0") == []
    for writer in writers:
        writer.dispose()


def entry(run: str, message: str) -> EventLogEntry:
    return EventLogEntry(
        error_info=None, level="INFO", user_message=message, run_id=run, timestamp=0.0, dagster_event=None
    )


def test_one_variable_moves_runs_and_events_to_postgresql(tmp_path: Path) -> None:
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL's programs (initdb, postgres) are not on this machine")
    site = Site(tmp_path)
    land_three_days(site)
    with running_postgres(programs) as url:
        environment = {**environment_of(tmp_path), POSTGRES_URL: url}
        with (
            mock.patch.dict(os.environ, environment),
            instance_of(tmp_path / "home", environment) as instance,
        ):
            assert isinstance(instance.event_log_storage, PostgresEventLogStorage)
            assert not (tmp_path / "home" / "history").exists()
            assert len(requests_of(site, instance)) == 1
            assert site.run(DAYS[0], DAYS[-1], instance=instance).success
            assert requests_of(site, instance) == []
            again = dg.DagsterInstance.from_ref(instance.get_ref())  # as every process of an instance does
            assert again.get_materialized_partitions(dg.AssetKey(["gold", "packed"])) == set(DAYS)
            again.dispose()


def test_without_the_driver_the_message_says_what_to_do(tmp_path: Path) -> None:
    environment = {**environment_of(tmp_path), POSTGRES_URL: "postgresql://nobody@127.0.0.1/nothing"}
    with mock.patch.dict("sys.modules", {"dagster_postgres": None}), pytest.raises(RuntimeError) as raised:
        instance_of(tmp_path / "home", environment)
    assert "pip install '.[postgres]'" in str(raised.value)


def test_a_source_and_backfills_have_one_run_at_a_time(tmp_path: Path) -> None:
    with instance_of(tmp_path / "home", environment_of(tmp_path)) as instance:
        limits = instance.get_concurrency_config().run_queue_config
        assert limits is not None
        assert [(each["key"], each["limit"]) for each in limits.tag_concurrency_limits] == [
            ("medallion/source", 1),
            ("dagster/backfill", 1),
        ]
        assert instance.run_retries_max_retries == 2
        assert not instance.telemetry_enabled


def requests_of(site: Site, instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    context = dg.build_sensor_context(instance=instance, definitions=site.defs)
    result = site.defs.get_sensor_def("alpaca_landing")(context)
    assert isinstance(result, dg.SensorResult)
    return list(result.run_requests or ())
