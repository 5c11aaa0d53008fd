"""A clock that was wrong silences no sensor and no schedule once it is right again."""

from __future__ import annotations

import time
from pathlib import Path

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._daemon.sensor import get_elapsed

from medallion_assets_tests.driven import environment_of
from medallion_assets_tests.instance import instance_of

ORIGIN = RemoteInstigatorOrigin(
    RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("location"), "repository"), "alpaca_landing"
)
IDS = (ORIGIN.get_id(), ORIGIN.get_selector().get_id())
DAY = 86_400.0


def tick(instance: dg.DagsterInstance, at: float) -> None:
    instance.create_tick(
        TickData(
            IDS[0],
            "alpaca_landing",
            InstigatorType.SENSOR,
            TickStatus.SUCCESS,
            at,
            run_ids=[],
            selector_id=IDS[1],
        )
    )
    before = instance.get_instigator_state(*IDS)
    data = SensorInstigatorData(last_tick_start_timestamp=at, last_tick_timestamp=at, cursor="kept")
    state = InstigatorState(ORIGIN, InstigatorType.SENSOR, InstigatorStatus.RUNNING, data)
    (instance.update_instigator_state if before else instance.add_instigator_state)(state)


def test_a_tick_to_come_is_none(tmp_path: Path) -> None:
    now = time.time()
    with instance_of(tmp_path / "home", environment_of(tmp_path)) as instance:
        for at in (now - 10, now + DAY):
            tick(instance, at)
        [state] = instance.all_instigator_state()
        assert state == instance.get_instigator_state(*IDS)
        assert get_elapsed(state) is None  # so that it is asked at once
        assert isinstance(state.instigator_data, SensorInstigatorData)
        assert state.instigator_data.cursor == "kept"
        assert [each.timestamp for each in instance.get_ticks(*IDS)] == [now - 10]
        assert instance.get_ticks(*IDS, before=now - 20) == []


def test_a_tick_of_just_now_is_kept(tmp_path: Path) -> None:
    now = time.time()
    with instance_of(tmp_path / "home", environment_of(tmp_path)) as instance:
        tick(instance, now)
        [state] = instance.all_instigator_state()
        assert (get_elapsed(state) or DAY) < DAY / 2
