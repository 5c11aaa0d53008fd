"""Alerts from real runs and checks on an instance, to real receivers, through outages and restarts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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

from medallion_assets.alerts.channels import Channel
from medallion_assets.alerts.delivery import delivered
from medallion_assets.alerts.outbox import Message, Outcome, Result
from medallion_assets.automation.alerts import STATE_KEY, Alerts, AlertsNotDelivered, alerts_sensor, tick
from medallion_assets.config_alerts import AlertsConfig
from medallion_assets_tests.alerts.receivers import (
    SECRET_PATH,
    Mailbox,
    Receiver,
    free_port,
    http_receiver,
    mail_server,
)

PASSWORD = "pass-w0rd-s3cr3t"
HOUR = 3600.0
DAYS = dg.DailyPartitionsDefinition("2024-09-01")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("no_proxy", "*")
    with http_receiver() as receiver:
        monkeypatch.setenv("TEAM_URL", receiver.url)
        monkeypatch.setenv("MAIL_PASSWORD", PASSWORD)
        yield receiver


@dataclass
class World:
    """An asset and its checks, which do as they are told."""

    broken: str = ""  # what the asset raises
    failing: dict[str, Any] = field(default_factory=dict)  # metadata of the failed check
    warns: bool = False

    @property
    def asset(self) -> dg.AssetsDefinition:
        @dg.asset(key=["bronze", "alpaca"], partitions_def=DAYS)
        def alpaca() -> None:
            if self.broken:
                raise OSError(self.broken)

        return alpaca

    @property
    def check(self) -> dg.AssetChecksDefinition:
        @dg.asset_check(asset=dg.AssetKey(["bronze", "alpaca"]))
        def sound() -> dg.AssetCheckResult:
            severity = dg.AssetCheckSeverity.WARN if self.warns else dg.AssetCheckSeverity.ERROR
            return dg.AssetCheckResult(passed=not self.failing, metadata=self.failing, severity=severity)

        return sound

    def run(self, instance: dg.DagsterInstance, day: str = "2024-09-01") -> None:
        defs = dg.Definitions(assets=[self.asset], asset_checks=[self.check])
        job = defs.resolve_implicit_global_asset_job_def()
        job.execute_in_process(
            asset_selection=[self.asset.key],
            tags={"dagster/partition": day},
            instance=instance,
            raise_on_error=False,
        )


@dataclass
class Clock:
    """Ticks of the sensor at times of our own, after whatever has been logged so far."""

    instance: dg.DagsterInstance
    alerts: Alerts
    now: float = 0.0

    def tick(self, *, later: float = 40, deliver: Any = delivered) -> str:
        from time import time

        self.now = max(self.now, time()) + later
        return tick(self.alerts, self.instance, location="here", now=self.now, deliver=deliver)

    def settle(self) -> str:
        """Sees what there is, and sends it."""
        self.tick()
        return self.tick()


def alerts_to(world: World, **channels: Any) -> Alerts:
    config = AlertsConfig.model_validate(
        {"ui": "https://dagster.example.org", "every_minutes": 0, **channels}
    )
    return Alerts.of(config, [world.check])


SLACK = {"slack": [{"name": "team", "url_env": "TEAM_URL"}]}
HOOK = {"webhooks": [{"name": "hook", "url_env": "TEAM_URL"}]}


def news(receiver: Receiver) -> list[tuple[str, str, str]]:
    """What a webhook was told, as news, subject and reason."""
    return [
        (alert["news"], alert["subject"], alert["reason"])
        for message in receiver.arrived
        for alert in message["alerts"]
    ]


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


def test_a_channel_that_is_out_neither_blocks_nor_repeats_another(
    instance: dg.DagsterInstance, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GONE_URL", f"http://127.0.0.1:{free_port()}{SECRET_PATH}")
    world = World(failing={"lost": 3})
    both = [{"name": "hook", "url_env": "TEAM_URL"}, {"name": "gone", "url_env": "GONE_URL"}]
    clock = Clock(instance, alerts_to(world, webhooks=both))
    world.run(instance)
    clock.tick()
    for later in (40, 40, 100, 300):
        with pytest.raises(
            AlertsNotDelivered, match=r"^gone: Connection refused \(\d tries\); the message is"
        ):
            clock.tick(later=later)
    assert len(receiver.ids) == 1
    monkeypatch.setenv("GONE_URL", receiver.url)
    clock.tick(later=800)
    assert len(receiver.ids) == 2
    assert receiver.arrived[0]["alerts"] == receiver.arrived[1]["alerts"]
    assert clock.tick(later=800) == "nothing to tell"


def test_while_a_channel_is_out_all_that_happens_gathers_and_arrives(
    instance: dg.DagsterInstance, receiver: Receiver
) -> None:
    receiver.answers = [503] * 3
    world = World()
    clock = Clock(instance, alerts_to(world, **HOOK))
    for number in range(1, 6):
        world.failing = {"file": f"export-{number}.jsonl"}
        world.run(instance, day=f"2024-09-0{number}")
        try_tick(clock, later=300)
    for _ in range(4):
        try_tick(clock, later=800)
    assert [alert["reason"] for message in receiver.arrived for alert in message["alerts"]] == [
        *(f"file: export-{number}.jsonl" for number in range(1, 6)),
    ]
    assert len(set(receiver.ids)) == 2


def try_tick(clock: Clock, **options: Any) -> str:
    try:
        return clock.tick(**options)
    except AlertsNotDelivered as error:
        return str(error)


def test_what_is_refused_for_ever_goes_out_in_short_and_says_so(
    instance: dg.DagsterInstance, receiver: Receiver
) -> None:
    receiver.answers = [400]
    world = World(failing={"lost": 3})
    clock = Clock(instance, alerts_to(world, **SLACK))
    world.run(instance)
    clock.tick()
    assert try_tick(clock).startswith("team: HTTP 400 Bad Request (1 tries)")
    assert "was refused whole, and went out in short" in try_tick(clock)
    assert "The message in full was refused by the receiver" in receiver.arrived[0]["text"]
    world.failing = {"file": "another.jsonl"}
    world.run(instance)
    clock.settle()
    assert "another.jsonl" in receiver.arrived[1]["text"]


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


class Killed(BaseException):
    """As by the system: nothing catches it."""


def kill_after(send: Callable[..., dict[str, Outcome]]) -> Callable[..., dict[str, Outcome]]:
    def deliver(messages: Mapping[str, Message], channels: Mapping[str, Channel]) -> dict[str, Outcome]:
        send(messages, channels)
        raise Killed

    return deliver


def test_killed_after_sending_it_repeats_once_under_the_same_id(
    instance: dg.DagsterInstance, receiver: Receiver
) -> None:
    world = World(failing={"lost": 3})
    clock = Clock(instance, alerts_to(world, **HOOK))
    world.run(instance)
    clock.tick()
    with pytest.raises(Killed):
        clock.tick(deliver=kill_after(delivered))
    world.failing = {"file": "new.jsonl"}
    world.run(instance)
    clock.tick(later=800)
    first, again = receiver.arrived
    assert first == again
    clock.tick(later=800)
    assert len(receiver.arrived) == 3
    assert len(set(receiver.ids)) == 2


def test_killed_before_sending_nothing_is_lost(
    instance: dg.DagsterInstance, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(failing={"lost": 3})
    clock = Clock(instance, alerts_to(world, **HOOK))
    world.run(instance)

    def killed(_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(instance.daemon_cursor_storage, "set_cursor_values", killed)
        with pytest.raises(Killed):
            clock.tick()
    clock.settle()
    assert len(receiver.arrived) == 1


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


def test_no_secret_is_stored_said_or_logged(
    instance: dg.DagsterInstance,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("GONE_URL", f"https://127.0.0.1:{free_port()}{SECRET_PATH}")
    monkeypatch.setenv("BAD_URL", f"gopher:{SECRET_PATH}")
    world = World(failing={"lost": 3})
    with mail_server(Mailbox(password="another")) as mailbox:
        mail = {
            "name": "mail",
            "host": "127.0.0.1",
            "port": mailbox.port,
            "from": "us@example.org",
            "to": ["you@example.org"],
            "user": "us",
            "password_env": "MAIL_PASSWORD",
        }
        hooks = [
            {"name": name, "url_env": variable, "token_env": "MAIL_PASSWORD"}
            for name, variable in (("gone", "GONE_URL"), ("bad", "BAD_URL"), ("hook", "TEAM_URL"))
        ]
        receiver.answers = [500]
        alerts = alerts_to(world, webhooks=hooks, mail=[mail])
        clock = Clock(instance, alerts)
        world.run(instance)
        clock.tick()
        said = [try_tick(clock) for _ in range(3)]
    stored = instance.daemon_cursor_storage.get_cursor_values({f"{STATE_KEY}/here"})
    logged = [entry.to_json() for run in instance.get_runs() for entry in instance.all_logs(run.run_id)]
    sensor = alerts_sensor(alerts)
    everything = "\n".join(
        [*said, *stored.values(), *logged, caplog.text, *capfd.readouterr(), repr(sensor), str(alerts)]
    )
    assert all(name in everything for name in ("gone", "bad", "mail", "hook"))
    for secret in (SECRET_PATH, "s3cr3t"):
        assert secret not in everything


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


def test_results_of_all_channels_are_kept_apart(instance: dg.DagsterInstance) -> None:
    world = World(failing={"lost": 3})
    hooks = [{"name": name, "url_env": "TEAM_URL"} for name in ("a", "b")]
    clock = Clock(instance, alerts_to(world, webhooks=hooks))
    world.run(instance)
    clock.tick()

    def half(messages: Mapping[str, Message], _: Mapping[str, Channel]) -> dict[str, Outcome]:
        return {
            name: Outcome(Result.DELIVERED if name == "a" else Result.FAILED, "" if name == "a" else "out")
            for name in messages
        }

    assert try_tick(clock, deliver=half).startswith("b: out (1 tries)")
    seen: list[str] = []

    def watch(messages: Mapping[str, Message], _: Mapping[str, Channel]) -> dict[str, Outcome]:
        seen.extend(messages)
        return {name: Outcome(Result.DELIVERED) for name in messages}

    clock.tick(deliver=watch)
    assert seen == ["b"]


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
