"""Checks that no run makes true or false, and the sensor that says so when they change.

Belongs here: up_to_date of every table but bronze, freshness of sources, disk_room; as checks that a person
can run, and as events of a sensor. Does not: what is found (findings.py, settling.py).
No postponed annotations in this module: Dagster reads the context's.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Any

import dagster as dg
import msgspec

from medallion_assets.automation.cursors import remembered, written
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
from medallion_assets.automation.streams import CONSUMED, DESCRIPTION, stream_finding, stream_key
from medallion_assets.checks.store_checks import STORE
from medallion_assets.config.pipeline import PipelineConfig

INTERVAL_SECONDS = 30
# The UI shows the evaluations behind an asset's last materialization alone.
AGAIN_SECONDS_FAILED, AGAIN_SECONDS_PASSED = 60, 300
DESCRIPTIONS = {
    UP_TO_DATE: "Every partition is as it would be if it were built now, by the store alone: late data, "
    "other rules and other code show here until they are settled.",
    FRESHNESS: "Something new lands as often as the source says (expected_every).",
    DISK_ROOM: "The disk that the store lies on has room (disk_room).",
    CONSUMED: DESCRIPTION,
}


class Told(msgspec.Struct, frozen=True):
    """What was said of a check, behind which materialization of its asset, and when."""

    identity: str
    built: int
    seconds: float


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
        self._streams = {dg.AssetCheckKey(stream_key(each), CONSUMED): each for each in config.streams}
        self._disk = dg.AssetCheckKey(STORE, DISK_ROOM)

    def check_keys(self) -> list[dg.AssetCheckKey]:
        return [*self._tables, *self._sources, *self._streams, self._disk]

    def findings(self, instance: dg.DagsterInstance) -> Iterator[tuple[dg.AssetCheckKey, Finding]]:
        """Of a table that a run is at work on, nothing but changed rules: late data it is about to settle."""
        now = self._settling.situation(instance)
        for key, path in self._tables.items():
            judgement = rules_alone(now.judgements[path]) if path in now.busy else now.judgements[path]
            if path not in now.busy or judgement.outdated:
                yield key, up_to_date(judgement, held=now.held[path])
        for key in (*self._sources, *self._streams, self._disk):
            yield key, self.finding(key)

    def finding(self, key: dg.AssetCheckKey) -> Finding:
        """What there is to say of it alone, whatever runs are at work."""
        if path := self._tables.get(key):
            return up_to_date(self._settling.survey.look_at(path))
        if source := self._sources.get(key):
            last = last_landing(self._settling.store, source.bronze.table)
            return freshness(last, source.config.expected_every or "", now=time.time())
        if stream := self._streams.get(key):
            return stream_finding(self._settling.store.root, stream)
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
        told = remembered(context.cursor, Told)
        found = {key.to_user_string(): (key, finding) for key, finding in watch.findings(context.instance)}
        built = _last_built(context.instance, {key.asset_key for key, _ in found.values()})
        now, news = time.time(), []
        for name, (key, finding) in found.items():
            telling = Told(finding.identity, built.get(key.asset_key, 0), now)
            if is_news(told.get(name), telling, passed=finding.passed):
                news.append(evaluation(key, finding))
                told[name] = telling
                if not finding.passed:
                    context.log.warning(f"{name}: {finding.says}")
        names = {key.to_user_string() for key in watch.check_keys()}
        kept = {name: each for name, each in told.items() if name in names}
        return dg.SensorResult(
            asset_events=news,
            cursor=written(kept),
            skip_reason=dg.SkipReason(f"{len(news)} of {len(names)} checks say something new"),
        )

    return watching


def is_news(before: Told | None, now: Told, *, passed: bool) -> bool:
    """Something else, or the same again where the UI shows it no more: behind a later materialization."""
    if before is None or before.identity != now.identity:
        return True
    again = AGAIN_SECONDS_PASSED if passed else AGAIN_SECONDS_FAILED
    return now.built != before.built and now.seconds - before.seconds >= again


def _last_built(instance: dg.DagsterInstance, assets: Iterable[dg.AssetKey]) -> dict[dg.AssetKey, int]:
    """The event of each asset's last materialization."""
    entries = (record.asset_entry for record in instance.get_asset_records(list(assets)))
    return {entry.asset_key: entry.last_materialization_storage_id or 0 for entry in entries}


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
