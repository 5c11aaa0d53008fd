"""What the tests of alerts share: an asset that does as it is told, and ticks at times of our own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from medallion_assets.alerts.delivery import delivered
from medallion_assets.automation.alerts import Alerts, AlertsNotDelivered, tick
from medallion_assets.config.alerts import AlertsConfig
from medallion_assets_tests.alerts.receivers import Receiver

HOUR = 3600.0
DAYS = dg.DailyPartitionsDefinition("2024-09-01")
SLACK = {"slack": [{"name": "team", "url_env": "TEAM_URL"}]}
HOOK = {"webhooks": [{"name": "hook", "url_env": "TEAM_URL"}]}


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


def try_tick(clock: Clock, **options: Any) -> str:
    try:
        return clock.tick(**options)
    except AlertsNotDelivered as error:
        return str(error)


def news(receiver: Receiver) -> list[tuple[str, str, str]]:
    """What a webhook was told, as news, subject and reason."""
    return [
        (alert["news"], alert["subject"], alert["reason"])
        for message in receiver.arrived
        for alert in message["alerts"]
    ]
