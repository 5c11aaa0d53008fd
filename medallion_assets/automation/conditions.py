"""Declarative automation: what is outdated settles by itself, as conditions that the UI shows tick by tick.

Belongs here: the conditions and their sensor. Does not: any judgement (settling.py and what that puts
together). The conditions look at the store, not at Dagster's history of events: bytes that are right are
asked for by nobody, whoever made them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

import dagster as dg

from medallion_assets.automation.one_run import Path
from medallion_assets.automation.settle import Cause
from medallion_assets.automation.settling import (
    CAUSES,
    SETTLE_DATA,
    SETTLE_EVERYTHING,
    SETTLE_TAG,
    Settling,
    Situation,
)
from medallion_assets.config.watch import SettleConfig, seconds_of

INTERVAL_SECONDS = 30
Context = dg.AutomationContext[dg.AssetKey]
Condition = dg.AutomationCondition[dg.AssetKey]


class Lookout:
    """One situation per tick, for the conditions of all assets."""

    def __init__(self, settling: Settling, causes: frozenset[Cause], seconds: float) -> None:
        self._settling, self._causes, self._seconds = settling, causes, seconds
        self._last: tuple[datetime, Situation] | None = None

    def at(self, context: Context) -> Situation:
        if self._last is None or self._last[0] != context.evaluation_time:
            instance = context.asset_graph_view.instance
            now = context.evaluation_time.timestamp()
            found = self._settling.quiet_situation(instance, self._causes, now=now, seconds=self._seconds)
            self._last = (context.evaluation_time, found)
        return self._last[1]


class Among(dg.AutomationCondition[dg.AssetKey]):
    """True for the partitions that `keys` finds; for all of them where it says True."""

    def __init__(
        self, name: str, description: str, keys: Callable[[Context], Collection[str] | bool]
    ) -> None:
        self._name, self._description, self._keys = name, description, keys

    @property
    def name(self) -> str:
        return self._name

    @property
    def description(self) -> str:
        return self._description

    @property
    def requires_cursor(self) -> bool:
        return False

    def evaluate(self, context: Context) -> dg.AutomationResult[dg.AssetKey]:
        return dg.AutomationResult(context, subset_of(context, self._keys(context)))


class Asked(Among):
    """The partition that this tick's run is asked for; below it is shown why."""

    def __init__(self, why: Condition, keys: Callable[[Context], Collection[str] | bool]) -> None:
        super().__init__(
            "asked_of_the_run", "The landing date that one run for all tables is asked for", keys
        )
        self._why = why

    @property
    def children(self) -> Sequence[dg.AutomationCondition[Any]]:
        return [self._why]

    async def evaluate(self, context: Context) -> dg.AutomationResult[dg.AssetKey]:  # type: ignore[override]
        why = context.for_child_condition(self._why, [0], context.candidate_subset)
        found = await why.evaluate_async()
        return dg.AutomationResult(context, subset_of(context, self._keys(context)), child_results=[found])


def subset_of(context: Context, keys: Collection[str] | bool) -> Any:
    """Of the candidates. Partitions of the store that are none of Dagster's are left out."""
    if isinstance(keys, bool):
        return context.candidate_subset if keys else context.get_empty_subset()
    days = context.partitions_def
    if not keys or days is None or context.candidate_subset.is_empty:
        return context.get_empty_subset()
    inside = {key for key in keys if days.has_partition_key(key)}
    found = context.asset_graph_view.get_subset_from_partition_keys(context.key, days, inside)
    return context.candidate_subset.compute_intersection(found)


def settle_condition(path: Path, lookout: Lookout) -> Condition:
    """For one table: outdated, and nothing in the way."""

    def leaf(name: str, description: str, keys: Callable[[Situation], Collection[str] | bool]) -> Condition:
        return Among(name, description, lambda context: keys(lookout.at(context)))

    ready = (
        leaf("outdated", "It would be another one if it were built now", lambda now: now.outdated[path])
        & ~leaf(
            "held_back", "A blocking check failed on what it would be made of", lambda now: now.held[path]
        )
        & ~leaf("given_up", "It was begun too often from the same things", lambda now: now.given_up[path])
        & ~leaf("at_work", "A run is at work on it or on what it is made of", lambda now: path in now.busy)
        & ~leaf("changing", "More became outdated a moment ago", lambda now: path in now.restless)
    )

    def asked(context: Context) -> Collection[str]:
        run = lookout.at(context).run
        return {run.key} if run is not None and path in run.paths else ()

    return Asked(ready, asked)


def settling_tag(config: SettleConfig) -> str:
    """Which causes automation settles by day."""
    return SETTLE_EVERYTHING if config.changed_rules == "by_day" else SETTLE_DATA


def automated(
    assets: Sequence[dg.AssetsDefinition], settling: Settling, config: SettleConfig
) -> list[dg.AssetsDefinition]:
    """The assets, each with its condition; bronze is the landing sensors' business."""
    causes = CAUSES[settling_tag(config)]
    lookout = Lookout(settling, causes, seconds_of(config.after))
    conditions = {dg.AssetKey(path): settle_condition(path, lookout) for path in settling.flow.above}

    def with_condition(spec: dg.AssetSpec) -> dg.AssetSpec:
        found = conditions.get(spec.key)
        return spec.replace_attributes(automation_condition=found) if found else spec

    return [asset.map_asset_specs(with_condition) for asset in assets]


def settle_sensor(settling: Settling, config: SettleConfig) -> dg.AutomationConditionSensorDefinition:
    """Evaluates the conditions in the code location itself, which knows the store."""
    return dg.AutomationConditionSensorDefinition(
        name="settle",
        target=dg.AssetSelection.assets(*(dg.AssetKey(path) for path in settling.flow.above)),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=INTERVAL_SECONDS,
        use_user_code_server=True,
        emit_backfills=False,
        run_tags={SETTLE_TAG: settling_tag(config)},
        description="Builds again what is outdated, once nothing more has become so for a while.",
    )
