"""Checks that no run makes true or false, and the sensor that says so when they change.

Belongs here: up_to_date of every table but bronze, freshness of sources, disk_room; as checks that a person
can run, and as events of a sensor. Does not: what is found (findings.py, settling.py).
No postponed annotations in this module: Dagster reads the context's.
"""

import json
import time
from collections.abc import Iterator
from typing import Any

import dagster as dg

from medallion_assets.automation.findings import (
    DISK_ROOM,
    FRESHNESS,
    UP_TO_DATE,
    Finding,
    disk_room,
    freshness,
    last_landing,
    rules_alone,
    up_to_date,
)
from medallion_assets.automation.settling import Settling
from medallion_assets.config import PipelineConfig
from medallion_assets.schemas import PROFILE

INTERVAL_SECONDS = 30
DESCRIPTIONS = {
    UP_TO_DATE: "Every partition is as it would be if it were built now, by the store alone: late data, "
    "other rules and other code show here until they are settled.",
    FRESHNESS: "Something new lands as often as the source says (expected_every).",
    DISK_ROOM: "The disk that the store lies on has room (disk_room).",
}


class Watch:
    """What is watched, and what is found of it now."""

    def __init__(self, config: PipelineConfig, settling: Settling) -> None:
        self._config, self._settling = config, settling
        self._tables = {dg.AssetCheckKey(dg.AssetKey(path), UP_TO_DATE): path for path in settling.flow.above}
        self._sources = {
            dg.AssetCheckKey(dg.AssetKey(source.bronze.asset_path), FRESHNESS): source
            for source in settling.stages.sources
            if source.config.expected_every is not None
        }
        self._disk = dg.AssetCheckKey(dg.AssetKey(("silver", PROFILE.name)), DISK_ROOM)

    def check_keys(self) -> list[dg.AssetCheckKey]:
        return [*self._tables, *self._sources, self._disk]

    def findings(self, instance: dg.DagsterInstance) -> Iterator[tuple[dg.AssetCheckKey, Finding]]:
        """Of a table that a run is at work on, nothing but changed rules: late data it is about to settle."""
        now = self._settling.situation(instance)
        for key, path in self._tables.items():
            judgement = rules_alone(now.judgements[path]) if path in now.busy else now.judgements[path]
            if path not in now.busy or judgement.outdated:
                yield key, up_to_date(judgement, held=now.held[path])
        for key in (*self._sources, self._disk):
            yield key, self.finding(key)

    def finding(self, key: dg.AssetCheckKey) -> Finding:
        """What there is to say of it alone, whatever runs are at work."""
        if path := self._tables.get(key):
            return up_to_date(self._settling.survey.look_at(path))
        if source := self._sources.get(key):
            last = last_landing(self._settling.store, source.bronze.table)
            return freshness(last, source.config.expected_every or "", now=time.time())
        return disk_room(self._settling.store.root, self._config.disk_room)


def watch_checks(watch: Watch) -> Iterator[dg.AssetChecksDefinition]:
    """As checks: the sensor's events hang on them, and a person can run them."""
    for key in watch.check_keys():
        yield _check(key, watch)


def watch_sensor(watch: Watch) -> dg.SensorDefinition:
    """Evaluates the checks whenever what they would say is something else than the last time."""

    @dg.sensor(
        name="watch",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Shows what becomes outdated or late, and when the disk runs full, as failed checks.",
    )
    def watching(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        told = json.loads(context.cursor) if context.cursor else {}
        found = {key.to_user_string(): (key, each) for key, each in watch.findings(context.instance)}
        news = {name: each for name, each in found.items() if told.get(name) != each[1].identity}
        for _, finding in news.values():
            if not finding.passed:
                context.log.warning(finding.says)
        # What nothing can be said of now keeps what was said last; what is gone is forgotten.
        names = {key.to_user_string() for key in watch.check_keys()}
        cursor = {name: told[name] for name in told if name in names}
        cursor |= {name: finding.identity for name, (_, finding) in found.items()}
        return dg.SensorResult(
            asset_events=[evaluation(key, finding) for key, finding in news.values()],
            cursor=json.dumps(cursor, sort_keys=True),
            skip_reason=dg.SkipReason(f"{len(news)} of {len(names)} checks say something new"),
        )

    return watching


def evaluation(key: dg.AssetCheckKey, finding: Finding) -> dg.AssetCheckEvaluation:
    """As an event that belongs to no run."""
    return dg.AssetCheckEvaluation(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=finding.passed,
        severity=_severity(finding),
        metadata=_metadata(finding),
        description=finding.says,
    )


def _check(key: dg.AssetCheckKey, watch: Watch) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=key.asset_key, name=key.name, description=DESCRIPTIONS[key.name])
    def watched(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        found = watch.finding(key)
        return dg.AssetCheckResult(
            passed=found.passed,
            severity=_severity(found),
            metadata=_metadata(found),
            description=found.says,
        )

    return watched


def _severity(finding: Finding) -> dg.AssetCheckSeverity:
    return dg.AssetCheckSeverity.ERROR if finding.is_error else dg.AssetCheckSeverity.WARN


def _metadata(finding: Finding) -> dict[str, Any]:
    rows = [dg.TableRecord(dict(row)) for row in finding.rows]
    table = {"partitions": dg.MetadataValue.table(rows)} if rows else {}
    return {**finding.figures, **table}
