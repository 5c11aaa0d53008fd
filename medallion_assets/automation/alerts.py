"""The alerts sensor: it looks into Dagster's log, and tells what is news to every channel that is configured.

Belongs here: the order of steps, what is stored when, what a tick shows. Does not: looking (happenings.py),
or anything about messages (alerts/). State is stored twice: when news is in the outboxes, so that none is
lost, and after sending. A crash between sending and storing makes one repeat, with the id of the first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass

import dagster as dg

from medallion_assets.alerts import render
from medallion_assets.alerts.channels import Channel, HttpChannel, MailChannel, MailServer
from medallion_assets.alerts.delivery import delivered
from medallion_assets.alerts.failure import Unset
from medallion_assets.alerts.outbox import Message, Outbox, Outcome, Result, due
from medallion_assets.alerts.state import State, is_worth_storing, looked, read, tried, written
from medallion_assets.automation.happenings import look
from medallion_assets.automation.wording import check_key
from medallion_assets.config.alerts import PORTS, AlertsConfig

SENSOR = "alerts"
INTERVAL_SECONDS = 30
STATE_KEY = "medallion/alerts/1"

Deliver = Callable[[Mapping[str, Message], Mapping[str, Channel]], dict[str, Outcome]]


class AlertsNotDelivered(Exception):
    """Fails the tick, so that it shows; the messages are kept and tried again."""


@dataclass(frozen=True)
class Alerts:
    """To whom, how often, and which checks there are."""

    channels: Mapping[str, Channel]
    gap: float
    watched: Set[str]

    @staticmethod
    def of(config: AlertsConfig, checks: Iterable[dg.AssetChecksDefinition]) -> Alerts:
        keys = [key for check in checks for key in check.check_keys]
        watched = frozenset(check_key(key.asset_key, key.name) for key in keys)
        channels = {channel.name: channel for channel in channels_of(config)}
        return Alerts(channels, config.every_minutes * 60, watched)


def alerts_sensor(alerts: Alerts) -> dg.SensorDefinition:
    @dg.sensor(
        name=SENSOR,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells failed checks and runs, late sources and failing sensors to "
        f"{', '.join(alerts.channels)}. Fails while something can't be delivered.",
    )
    def alert(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        origin = context.code_location_origin  # several locations may share an instance
        location = origin.location_name if origin else ""
        return dg.SkipReason(tick(alerts, context.instance, location=location, now=time.time()))

    return alert


def tick(
    alerts: Alerts,
    instance: dg.DagsterInstance,
    *,
    location: str,
    now: float,
    deliver: Deliver = delivered,
) -> str:
    """One look and one round of sending; what to say of it. Raises AlertsNotDelivered after all is stored."""
    store = _Store(instance, f"{STATE_KEY}/{location}")
    before = store.read()
    found = look(instance, before, own_name=SENSOR, now=now)
    state = looked(before, found, alerts.channels, alerts.watched, now=now)
    if is_worth_storing(before, state):
        store.write(state)
    messages = {name: message for name, box in state.boxes.items() if (message := due(box, now=now))}
    outcomes = deliver(messages, alerts.channels) if messages else {}
    if outcomes:
        state = tried(state, outcomes, gap=alerts.gap, now=now)
        store.write(state)
    if complaints := [*_notes(messages, outcomes), *_stuck(state), *_unset(alerts.channels)]:
        raise AlertsNotDelivered("; ".join(complaints))
    sent = [name for name, outcome in outcomes.items() if outcome.result is Result.DELIVERED]
    waiting = [name for name, box in state.boxes.items() if box.waiting]
    told = f"told {', '.join(sent)}" if sent else "nothing to tell"
    return f"{told}; more is gathering for {', '.join(waiting)}" if waiting else told


def channels_of(config: AlertsConfig) -> list[Channel]:
    slack = [HttpChannel(each.name, config.ui, each.url_env, render.slack) for each in config.slack]
    hooks = [
        HttpChannel(each.name, config.ui, each.url_env, render.webhook, each.token_env)
        for each in config.webhooks
    ]
    mail = [
        MailChannel(
            each.name,
            config.ui,
            MailServer(
                each.host,
                PORTS[each.security] if each.port is None else each.port,
                each.security,
                each.user,
                each.password_env,
            ),
            each.sender,
            tuple(each.to),
        )
        for each in config.mail
    ]
    return [*slack, *hooks, *mail]


@dataclass(frozen=True)
class _Store:
    """Where the instance keeps its daemons' cursors. A sensor's own cursor is lost when its tick fails."""

    instance: dg.DagsterInstance
    key: str

    def read(self) -> State:
        text = self.instance.daemon_cursor_storage.get_cursor_values({self.key}).get(self.key)
        return read(text) if text else State()

    def write(self, state: State) -> None:
        self.instance.daemon_cursor_storage.set_cursor_values({self.key: written(state)})


def _notes(messages: Mapping[str, Message], outcomes: Mapping[str, Outcome]) -> Iterable[str]:
    """What was delivered, but not as it should have been."""
    for name, outcome in outcomes.items():
        if outcome.result is Result.DELIVERED:
            if outcome.why:
                yield f"{name}: {outcome.why}"
            if messages[name].short:
                yield f"{name}: message {messages[name].id} was refused whole, and went out in short"


def _unset(channels: Mapping[str, Channel]) -> Iterable[str]:
    for name, channel in channels.items():
        try:
            channel.check()
        except Unset as error:
            yield f"{name}: {error}"


def _stuck(state: State) -> Iterable[str]:
    for name, box in state.boxes.items():
        if box.tries and box.sending is not None:
            yield _told(name, box)


def _told(name: str, box: Outbox) -> str:
    at = time.strftime("%H:%M:%S UTC", time.gmtime(box.next_try))
    return f"{name}: {box.why} ({box.tries} tries); the message is kept and tried again at {at}"
