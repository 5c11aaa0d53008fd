"""The instance's settings: what dagster.yaml says, and PostgreSQL instead of SQLite by one variable."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster_postgres import PostgresEventLogStorage

from medallion_assets.instance import POSTGRES_URL
from medallion_assets_tests.instance import environment_of, new_instance
from medallion_assets_tests.pipeline.sample import Site, land_three_days
from medallion_assets_tests.postgres import postgres_programs, running_postgres

DAYS = ("2024-09-01", "2024-09-02", "2024-09-03")


def test_runs_and_events_are_kept_in_sqlite_by_default(tmp_path: Path) -> None:
    with new_instance(tmp_path, {**environment_of(tmp_path), POSTGRES_URL: ""}) as instance:
        assert isinstance(instance.event_log_storage, SqliteEventLogStorage)
        assert (tmp_path / "home" / "history").is_dir()


def test_one_variable_moves_runs_and_events_to_postgresql(tmp_path: Path) -> None:
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL's programs (initdb, postgres) are not on this machine")
    site = Site(tmp_path)
    land_three_days(site)
    with running_postgres(programs) as url:
        environment = {**environment_of(tmp_path), POSTGRES_URL: url}
        with mock.patch.dict(os.environ, environment), new_instance(tmp_path, environment) as instance:
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
        new_instance(tmp_path, environment)
    assert "pip install '.[postgres]'" in str(raised.value)


def test_a_source_and_backfills_have_one_run_at_a_time(tmp_path: Path) -> None:
    with new_instance(tmp_path, environment_of(tmp_path)) as instance:
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
