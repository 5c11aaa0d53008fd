"""Alerts through outages, refusals and crashes: each arrives, none is lost, no secret is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import dagster as dg
import pytest

from medallion_assets.alerts.channels import Channel
from medallion_assets.alerts.delivery import delivered
from medallion_assets.alerts.outbox import Message, Outcome, Result
from medallion_assets.automation.alerts import STATE_KEY, AlertsNotDelivered, alerts_sensor
from medallion_assets_tests.alerts.receivers import (
    SECRET_PATH,
    Mailbox,
    Receiver,
    free_port,
    mail_server,
)
from medallion_assets_tests.automation.alerting import HOOK, SLACK, Clock, World, alerts_to, try_tick


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
        said = [try_tick(clock) for _ in range(4)]
    stored = instance.daemon_cursor_storage.get_cursor_values({f"{STATE_KEY}/here"})
    logged = [entry.to_json() for run in instance.get_runs() for entry in instance.all_logs(run.run_id)]
    sensor = alerts_sensor(alerts)
    everything = "\n".join(
        [*said, *stored.values(), *logged, caplog.text, *capfd.readouterr(), repr(sensor), str(alerts)]
    )
    assert all(name in everything for name in ("gone", "bad", "mail", "hook"))
    for secret in (SECRET_PATH, "s3cr3t"):
        assert secret not in everything


def test_a_secret_that_is_not_set_shows_before_anything_is_to_be_sent(instance: dg.DagsterInstance) -> None:
    said = try_tick(Clock(instance, alerts_to(World(), **HOOK)))
    assert said == "hook: the environment variable TEAM_URL is not set"


def test_results_of_all_channels_are_kept_apart(instance: dg.DagsterInstance, receiver: Receiver) -> None:
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
