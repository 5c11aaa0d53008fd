"""What is told of real runs, checks and ticks on an instance, and what is not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, TickData, TickStatus
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster_shared.error import SerializableErrorInfo

from medallion_assets.automation.alerts import alerts_sensor
from medallion_assets_tests.alerts.receivers import Receiver
from medallion_assets_tests.automation.alerting import HOOK, HOUR, SLACK, Clock, World, alerts_to, news


def test_nothing_wrong_is_nothing_said(instance: dg.DagsterInstance, receiver: Receiver) -> None:
    clock = Clock(instance, alerts_to(World(), **HOOK))
    World().run(instance)
    assert clock.settle() == "nothing to tell"
    assert receiver.arrived == []


def test_a_failed_check_its_repeats_and_its_recovery(
    instance: dg.DagsterInstance, receiver: Receiver
) -> None:
    world = World(failing={"lost": 3, "examples": {"2024-09-01": ["a"]}}, warns=True)
    clock = Clock(instance, alerts_to(world, **HOOK))
    for lost in (3, 4, 5):
        world.failing["lost"] = lost
        world.run(instance)
        clock.settle()
    reason = "lost: 3; examples: 2024-09-01: a"
    assert news(receiver) == [("failed", "bronze/alpaca: sound", reason)]
    (alert,) = receiver.arrived[0]["alerts"]
    assert (alert["severity"], alert["partitions"]) == ("warning", "2024-09-01")
    assert alert["page"] == "https://dagster.example.org/assets/bronze/alpaca?view=checks"
    world.failing.clear()
    world.run(instance, day="2024-09-02")
    clock.settle()
    assert len(news(receiver)) == 1
    world.run(instance)
    clock.settle()
    assert news(receiver)[1:] == [("recovered", "bronze/alpaca: sound", reason)]


def test_a_failed_run_with_its_cause_and_its_recovery(
    instance: dg.DagsterInstance, receiver: Receiver
) -> None:
    world = World(broken="the disk is gone")
    clock = Clock(instance, alerts_to(world, **HOOK))
    for _ in range(3):
        world.run(instance)
    clock.settle()
    title, reason = "materialization of bronze/alpaca", "step bronze__alpaca: OSError: the disk is gone"
    assert news(receiver) == [("failed", title, reason)]
    assert receiver.arrived[0]["alerts"][0]["run"].startswith("https://dagster.example.org/runs/")
    world.broken = ""
    world.run(instance)
    clock.settle()
    assert news(receiver)[1:] == [("recovered", title, reason)]


def test_a_run_that_dagster_tries_again_by_itself_is_not_told(
    instance: dg.DagsterInstance, receiver: Receiver
) -> None:
    world = World(broken="once")
    world.run(instance)
    (run,) = instance.get_runs()
    instance.add_run_tags(run.run_id, {"dagster/will_retry": "true"})
    assert Clock(instance, alerts_to(world, **HOOK)).settle() == "nothing to tell"


def test_a_dead_worker_is_a_failed_run(instance: dg.DagsterInstance, receiver: Receiver) -> None:
    job = dg.Definitions(assets=[World().asset]).resolve_implicit_global_asset_job_def()
    run = instance.create_run_for_job(job)
    instance.report_engine_event("Its process was terminated by signal 9 (SIGKILL).", run)
    instance.report_run_failed(run)
    Clock(instance, alerts_to(World(), **HOOK)).settle()
    assert news(receiver) == [
        ("failed", "materialization of everything", "Its process was terminated by signal 9 (SIGKILL).")
    ]


def test_a_source_that_is_late_is_told_without_any_run(
    instance: dg.DagsterInstance, receiver: Receiver
) -> None:
    def fresh(*, passed: bool, hours: int) -> None:
        evaluation = dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(["bronze", "alpaca"]),
            check_name="freshness",
            passed=passed,
            metadata={"hours": hours},
            description=f"nothing landed for {hours} hours",
        )
        instance.report_runless_asset_event(evaluation)

    clock = Clock(instance, alerts_to(World(), **HOOK))
    for hours in (25, 26, 27):
        fresh(passed=False, hours=hours)
        clock.settle()
    fresh(passed=True, hours=0)
    clock.settle()
    reason = "nothing landed for 25 hours. hours: 25"
    assert news(receiver) == [
        ("failed", "bronze/alpaca: freshness", reason),
        ("recovered", "bronze/alpaca: freshness", reason),
    ]


def test_a_day_that_breaks_is_one_message(instance: dg.DagsterInstance, receiver: Receiver) -> None:
    world = World(failing={"lost": 3})
    clock = Clock(instance, alerts_to(world, **HOOK))
    for number in range(1, 5):
        world.run(instance, day=f"2024-09-0{number}")
        clock.tick(later=20)
    world.broken = "gone"
    world.run(instance, day="2024-09-01")
    clock.settle()
    (message,) = receiver.arrived
    assert message["summary"] == "medallion_assets: 1 failed check, 1 failed run"


def test_what_comes_after_a_deleted_run_is_told_though_it_gets_its_ids(
    instance: dg.DagsterInstance, receiver: Receiver
) -> None:
    world = World(broken="first")
    clock = Clock(instance, alerts_to(world, **HOOK))
    world.run(instance)
    clock.settle()
    instance.delete_run(instance.get_runs()[0].run_id)
    world.broken = "second"
    world.run(instance)
    clock.settle()
    assert [reason[-6:] for _, _, reason in news(receiver)] == [" first", "second"]


def test_a_thousand_failures_are_one_message_and_each_is_counted(
    instance: dg.DagsterInstance, receiver: Receiver
) -> None:
    for number in range(1000):
        evaluation = dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(["bronze", f"source_{number}"]), check_name="sound", passed=False
        )
        instance.report_runless_asset_event(evaluation)
    clock = Clock(instance, alerts_to(World(), **HOOK))
    clock.settle()
    clock.settle()
    (message,) = receiver.arrived
    assert message["summary"] == "medallion_assets: 1,000 failed checks"
    assert (len(message["alerts"]), message["more"]) == (20, {"failed check": 980})


def test_a_daemon_that_stood_still_is_told_when_it_is_back(
    instance: dg.DagsterInstance, receiver: Receiver
) -> None:
    clock = Clock(instance, alerts_to(World(), **HOOK))
    clock.tick()
    clock.tick(later=3 * HOUR)
    clock.tick(later=60)
    ((what, subject, reason),) = news(receiver)
    assert (what, subject) == ("failed", "Dagster's daemon")
    assert reason.startswith("nothing was watched for 3.0 hours")


def test_a_tick_is_a_skip_that_says_what_was_told(instance: dg.DagsterInstance, receiver: Receiver) -> None:
    sensor = alerts_sensor(alerts_to(World(), **SLACK))
    said = sensor(dg.build_sensor_context(instance=instance))
    assert said == dg.SkipReason("nothing to tell")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_looks_of_any_size_come_to_the_same(
    instance: dg.DagsterInstance, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr("medallion_assets.automation.happenings.MAX_RECORDS", limit)
    world = World(failing={"lost": 3})
    world.run(instance)
    world.failing = {}
    world.run(instance)
    world.broken = "gone"
    world.run(instance)
    clock = Clock(instance, alerts_to(world, **HOOK))
    for _ in range(20):
        clock.tick()
    assert [what for what, *_ in news(receiver)].count("recovered") == 1
    assert {subject for what, subject, _ in news(receiver) if what == "failed"} >= {
        "materialization of bronze/alpaca"
    }


@dataclass
class Sensor:
    """Another sensor's ticks, as the daemon writes them."""

    instance: dg.DagsterInstance

    def __post_init__(self) -> None:
        origin = RemoteInstigatorOrigin(
            RemoteRepositoryOrigin(InProcessCodeLocationOrigin(LoadableTargetOrigin()), "here"), "landing"
        )
        running = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING)
        self.state = self.instance.add_instigator_state(running)

    def tick(self, at: float, error: str = "") -> None:
        info = SerializableErrorInfo(f"OSError: {error}\n", [], "OSError") if error else None
        self.instance.create_tick(
            TickData(
                self.state.instigator_origin_id,
                "landing",
                InstigatorType.SENSOR,
                TickStatus.FAILURE if error else TickStatus.SKIPPED,
                at,
                selector_id=self.state.selector_id,
                error=info,
                end_timestamp=at + 1,
            )
        )


def test_on_sqlite_a_failing_sensor_and_a_failing_check(receiver: Receiver, tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        world = World(failing={"lost": 3})
        clock, sensor = Clock(instance, alerts_to(world, **HOOK)), Sensor(instance)
        clock.tick()
        world.run(instance)
        for seconds in (5, 15, 25):
            sensor.tick(clock.now + seconds, "no route to host")
        clock.settle()
        sensor.tick(clock.now + 5, "no route to host")
        clock.settle()
        reason = "OSError: no route to host"
        assert news(receiver) == [
            ("failed", "bronze/alpaca: sound", "lost: 3"),
            ("failed", "sensor landing", reason),
        ]
        sensor.tick(clock.now + 5)
        clock.settle()
        assert news(receiver)[2:] == [("recovered", "sensor landing", reason)]
