"""How a stream is, from what its members said last; and that Dagster shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from medallion_assets.pipeline import build_pipeline
from medallion_assets.roots import Roots
from medallion_assets.streaming.health import Grade, judged
from medallion_assets.streaming.positions import ReaderPosition
from medallion_assets.streaming.serve import load_stream
from medallion_assets.streaming.status import Status
from medallion_assets_tests.streaming.given import Broker, configuration, consume, rollout, setup_in

NOW = 1_000_000.0


def member(name: str = "main", **told: Any) -> Status:
    return Status(stream="live", member=name, **{"at": NOW - 1, "moved_at": NOW - 1, **told})


@pytest.mark.parametrize(
    ("members", "grade", "says"),
    [
        ([], Grade.WARNING, "nobody consumes it"),
        ([member()], Grade.WELL, "1 consumers are at work; 0 messages wait"),
        ([member(state="stopped")], Grade.WARNING, "every consumer was stopped"),
        ([member(at=NOW - 61)], Grade.ERROR, "no sign of life of main"),
        ([member("a", at=NOW - 61), member("b")], Grade.WARNING, "no sign of life of a"),
        ([member("a", at=NOW - 8 * 86_400), member("b")], Grade.WELL, "1 consumers"),
        ([member(trouble="Redis does not answer", trouble_since=NOW - 61)], Grade.ERROR, "does not answer"),
        ([member(trouble="Redis does not answer", trouble_since=NOW - 5)], Grade.WELL, "at work"),
        ([member(lag={"0": 5}, moved_at=NOW - 301)], Grade.ERROR, "5 messages wait, and main got none"),
        ([member(lag={"0": 5}, moved_at=NOW - 9)], Grade.WELL, "5 messages wait"),
        ([member(lag={"0": None}, moved_at=NOW - 999)], Grade.WELL, "at work"),
    ],
)
def test_what_is_wrong_is_told(members: list[Status], grade: Grade, says: str) -> None:
    health = judged(members, {}, now=NOW)
    assert health.grade is grade
    assert says in health.says


def test_figures_are_those_of_all_members_and_trainers() -> None:
    members = [
        member("a", landed=5, exports=1, lag={"0": 2}, dropped={"buffer_full": 1}),
        member("b", landed=7, exports=2, lag={"1": 3}, rejected={"invalid_json": 4}),
    ]
    readers = {"t": ReaderPosition(chunk=1, row=0, served=9, skipped={"stale_policy": 6})}
    assert judged(members, readers, now=NOW).figures == {
        "lag": 5,
        "landed": 12,
        "exports": 3,
        "delivered_again": 0,
        "offered": 0,
        "served": 9,
        "dropped_buffer_full": 1,
        "skipped_stale_policy": 6,
        "rejected_invalid_json": 4,
        "trainers": 1,
    }


@pytest.fixture
def definitions(tmp_path: Path) -> dg.Definitions:
    (tmp_path / "pipeline.yaml").write_text(yaml.safe_dump(configuration()))
    return build_pipeline(tmp_path / "pipeline.yaml", roots=Roots(tmp_path / "data", tmp_path / "landing"))


def ticked(definitions: dg.Definitions, name: str, cursor: str | None = None) -> dg.SensorResult:
    repository = definitions.get_repository_def()
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, repository_def=repository, cursor=cursor)
        result = repository.get_sensor_def(name)(context)
    assert isinstance(result, dg.SensorResult)
    return result


def test_dagster_shows_a_stream_and_whether_it_is_consumed(
    definitions: dg.Definitions, tmp_path: Path
) -> None:
    setup = setup_in(tmp_path)
    assert consume(setup, Broker({0: [rollout(number) for number in range(4)]}))
    list(load_stream(setup.places.root, consumer="t", rows=2, patience=0))
    first = ticked(definitions, "streams")
    [seen] = first.asset_events or []
    assert isinstance(seen, dg.AssetObservation)
    assert {name: seen.metadata[name].value for name in ("lag", "landed", "served")} == {
        "lag": 0,
        "landed": 4,
        "served": 4,
    }
    assert ticked(definitions, "streams", first.cursor).asset_events == []
    told = [
        event
        for event in ticked(definitions, "watch").asset_events or []
        if event.asset_key == dg.AssetKey(["streams", "live"])
    ]
    assert [(event.check_name, event.passed) for event in told] == [("consumed", False)]  # type: ignore[union-attr]
