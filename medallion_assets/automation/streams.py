"""Streams in Dagster: an asset for each, a check that it is consumed, and figures every minute.

Belongs here: Dagster's side. Does not: consuming, which is a process of its own (streaming/), the judgement
(streaming/health.py), or when the check is told (watch.py).
No postponed annotations in this module: Dagster reads the context's.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from medallion_assets.assets.code_links import CODE_REFERENCES, links_to
from medallion_assets.automation.cursors import remembered, written
from medallion_assets.automation.findings import Finding
from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets.config.stream import StreamConfig
from medallion_assets.inert import inert
from medallion_assets.storage.manifest import digest_of
from medallion_assets.streaming.health import Grade, Health, health_of
from medallion_assets.streaming.places import Places, streams_folder

CONSUMED = "consumed"
DESCRIPTION = "A consumer of the stream is alive, reaches its broker and gets on."
INTERVAL_SECONDS = 60


def stream_key(stream: StreamConfig) -> dg.AssetKey:
    return dg.AssetKey(["streams", stream.name])


def stream_assets(config: PipelineConfig) -> list[dg.AssetSpec]:
    """Nothing materializes them: `medallion stream` runs beside Dagster."""
    owners = {source.name: source.owner or config.owner for source in config.sources}
    return [
        dg.AssetSpec(
            stream_key(stream),
            group_name="operations",
            description=f"Rollouts of {stream.topic} by way of {stream.broker}, for bronze/{stream.source} "
            "and trainers. `medallion stream` consumes it; its figures are observed every minute.",
            kinds={stream.broker},
            owners=[owner] if (owner := owners[stream.source]) else [],
            metadata={CODE_REFERENCES: links_to(["streaming/consume.py", "docs/streaming.md"])},
        )
        for stream in config.streams
    ]


def stream_finding(data: Path, stream: StreamConfig) -> Finding:
    health = health_now(data, stream)
    rows = [{name: _shown(value) for name, value in row.items()} for row in health.members]
    return Finding(
        CONSUMED,
        passed=health.grade is Grade.WELL,
        says=inert(health.says),
        is_error=health.grade is Grade.ERROR,
        figures=health.figures,
        rows=rows,
        state=health.state,
    )


def health_now(data: Path, stream: StreamConfig) -> Health:
    return health_of(Places(streams_folder(data) / stream.name), now=time.time())


def streams_sensor(streams: Sequence[StreamConfig], data: Path) -> dg.SensorDefinition:
    """Observes the figures of each stream, where they are others than a minute ago."""

    @dg.sensor(
        name="streams",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Shows what streams have landed, served and dropped, and what waits at their brokers.",
    )
    def observing(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        before = remembered(context.cursor, str)
        found = {stream.name: (stream, health_now(data, stream).figures) for stream in streams}
        digests = {name: digest_of(dict(figures)) for name, (_, figures) in found.items()}
        news = [
            dg.AssetObservation(stream_key(stream), metadata=dict(figures))
            for name, (stream, figures) in found.items()
            if digests[name] != before.get(name)
        ]
        return dg.SensorResult(
            asset_events=news,
            cursor=written(digests),
            skip_reason=dg.SkipReason(f"{len(news)} of {len(streams)} streams have moved"),
        )

    return observing


def _shown(value: str | int) -> str | int:
    return inert(value) if isinstance(value, str) else value
