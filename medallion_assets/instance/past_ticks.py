"""Ticks of a time that is yet to come, which a clock that was wrong has left, count as never made.

Belongs here: reading the past of sensors and schedules. Does not: which database holds it (storage.py).
Dagster asks a sensor again an interval after its last tick: once a clock that ran ten years ahead is right
again, all of automation would be silent for ten years, and every daemon would look well.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from dagster._core.scheduler.instigation import InstigatorState, InstigatorTick, SensorInstigatorData
from dagster._core.storage.schedules.base import ScheduleStorage
from dagster._core.storage.schedules.sql_schedule_storage import SqlScheduleStorage

# Machines that share an instance differ by less.
TOLERANCE_SECONDS = 60.0


class PastTicks(SqlScheduleStorage):
    """Goes before Dagster's own, of SQLite or of PostgreSQL."""

    def all_instigator_state(self, *arguments: Any, **options: Any) -> Sequence[InstigatorState]:
        return [_past(state) for state in super().all_instigator_state(*arguments, **options)]

    def get_instigator_state(self, origin_id: str, selector_id: str) -> InstigatorState | None:
        state = super().get_instigator_state(origin_id, selector_id)
        return _past(state) if state else None

    def get_ticks(
        self, origin_id: str, selector_id: str, before: float | None = None, *others: Any, **options: Any
    ) -> Sequence[InstigatorTick]:
        latest = time.time() + TOLERANCE_SECONDS
        return super().get_ticks(origin_id, selector_id, min(before or latest, latest), *others, **options)


def with_past_ticks(storage: ScheduleStorage) -> None:
    """From now on this storage knows of no tick to come."""
    plain = type(storage)
    storage.__class__ = type(plain.__name__, (PastTicks, plain), {})


def _past(state: InstigatorState) -> InstigatorState:
    data = state.instigator_data
    if not isinstance(data, SensorInstigatorData):
        return state
    ticks = (data.last_tick_start_timestamp, data.last_tick_timestamp, data.last_tick_success_timestamp)
    if max(tick or 0 for tick in ticks) <= time.time() + TOLERANCE_SECONDS:
        return state
    return state.with_data(
        data._replace(
            last_tick_start_timestamp=None, last_tick_timestamp=None, last_tick_success_timestamp=None
        )
    )
