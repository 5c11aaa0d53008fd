"""What Dagster's log and its ticks tell: checks, runs, sensors, schedules and daemons, as happenings.

Belongs here: looking, from where the last look ended, with bounded queries. Does not: what of it is news
(alerts/ledger.py), or the sensor (alerts.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorState, InstigatorTick, TickStatus
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.tags import WILL_RETRY_TAG

from medallion_assets.alerts.happening import Happening, Kind
from medallion_assets.alerts.ledger import Ledger
from medallion_assets.alerts.state import Cursor, Look, State
from medallion_assets.automation import wording
from medallion_assets.automation.history import storage_of

TYPES = (
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.RUN_SUCCESS,
)
MAX_RECORDS = 1_000  # of each type in one look
RUNS_A_QUERY = 200
# PostgreSQL hands out ids before it shows the rows: what is younger may still get a neighbour before it.
SETTLED_SECONDS = 5
# Records from a clock that is further ahead than this are not waited for.
WRONG_CLOCK_SECONDS = 900
FIRST_LOOK_BACK_SECONDS = 24 * 3600
LONGEST_TICK_SECONDS = 900
FAILED_TICKS = 20


def look(instance: dg.DagsterInstance, state: State, *, own_name: str, now: float) -> Look:
    """What happened since the state's last look. `own_name` is the sensor that asks."""
    settled = now - SETTLED_SECONDS
    records, cursor = _records(instance, state.cursor, settled=settled, now=now)
    ticks = state.ticks or settled - FIRST_LOOK_BACK_SECONDS
    found = [
        *_of_records(instance, records, state.ledger),
        *_of_ticks(instance, state.ledger, ticks, settled, own_name=own_name),
        *_of_daemons(instance, now),
    ]
    return Look(found, cursor, settled)


@dataclass(frozen=True)
class _Runs:
    """The runs that records speak of, asked for together."""

    by_id: Mapping[str, dg.DagsterRun] = field(default_factory=dict)

    @staticmethod
    def of(instance: dg.DagsterInstance, ids: Iterable[str]) -> _Runs:
        found = {}
        asked = sorted(set(filter(None, ids)))
        for start in range(0, len(asked), RUNS_A_QUERY):
            runs = instance.get_runs(dg.RunsFilter(run_ids=asked[start : start + RUNS_A_QUERY]))
            found.update({run.run_id: run for run in runs})
        return _Runs(found)


def _records(
    instance: dg.DagsterInstance, cursor: Cursor, *, settled: float, now: float
) -> tuple[list[dg.EventLogRecord], Cursor]:
    """The next records in the order of their ids, and where the next look goes on."""
    storage = storage_of(instance)
    if not cursor.id:
        cursor = _last_before(storage, now - FIRST_LOOK_BACK_SECONDS)
    found, horizon = _after(storage, cursor.id - 1)
    if cursor.id and (cursor.id, cursor.at) not in [(each.storage_id, each.timestamp) for each in found[:1]]:
        # Its run was deleted. SQLite then gives its id to another record, which nobody has seen.
        cursor = min(cursor, _last_before(storage, cursor.at))
        found, horizon = _after(storage, cursor.id)
    taken: list[dg.EventLogRecord] = []
    for record in found:
        beyond = horizon is not None and record.storage_id > horizon
        if beyond or settled < record.timestamp < now + WRONG_CLOCK_SECONDS:
            break
        if record.storage_id > cursor.id:
            taken.append(record)
    return taken, Cursor(taken[-1].storage_id, taken[-1].timestamp) if taken else cursor


def _after(storage: SqlEventLogStorage, last_id: int) -> tuple[list[dg.EventLogRecord], int | None]:
    """Records in the order of their ids; the id up to which all are there, if there may be more."""
    found: list[dg.EventLogRecord] = []
    full = []
    for kind in TYPES:
        some = _query(storage, dg.EventRecordsFilter(kind, after_cursor=last_id), ascending=True)
        found += some
        if len(some) > MAX_RECORDS:
            full.append(some[-1].storage_id)
    return sorted(found, key=lambda record: record.storage_id), min(full, default=None)


def _last_before(storage: SqlEventLogStorage, then: float) -> Cursor:
    last = (_query(storage, dg.EventRecordsFilter(kind, before_timestamp=then), limit=1) for kind in TYPES)
    found = (Cursor(record.storage_id, record.timestamp) for records in last for record in records)
    return max(found, default=Cursor())


def _query(
    storage: SqlEventLogStorage,
    wanted: dg.EventRecordsFilter,
    *,
    limit: int | None = None,
    ascending: bool = False,
) -> Sequence[dg.EventLogRecord]:
    """Read from the index that all runs share. SQLite's own method would open every run's file; its way to
    fetch_run_status_changes, which knows no checks, is this one."""
    most = MAX_RECORDS + 1 if limit is None else limit
    return SqlEventLogStorage.get_event_records(storage, wanted, limit=most, ascending=ascending)


def _of_records(
    instance: dg.DagsterInstance, records: Sequence[dg.EventLogRecord], ledger: Ledger
) -> Iterator[Happening]:
    jobs = {key.split(":")[1] for key in ledger if key.startswith(f"{Kind.RUN}:")}
    jobs |= {
        record.event_log_entry.job_name or ""
        for record in records
        if record.event_type is dg.DagsterEventType.RUN_FAILURE
    }
    told = [record for record in records if _may_tell(record, jobs)]
    runs = _Runs.of(instance, (record.run_id for record in told)).by_id
    for record in told:
        event, run = record.event_log_entry.get_dagster_event(), runs.get(record.run_id)
        if record.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            yield wording.of_check(event.asset_check_evaluation_data, record.timestamp, record.run_id, run)
        elif run is None or run.tags.get(WILL_RETRY_TAG) == "true":
            continue  # deleted; or Dagster tries again by itself
        elif record.event_type is dg.DagsterEventType.RUN_FAILURE:
            ended_outside = event.event_specific_data is None
            cause = _last_words(instance, run.run_id) if ended_outside else ""
            yield wording.of_failed_run(event, record.timestamp, run, cause=cause)
        else:
            yield wording.of_run(record.timestamp, run)


def _last_words(instance: dg.DagsterInstance, run_id: str) -> str:
    """What Dagster noted last of a run that did not end by itself, such as what killed its worker."""
    found = instance.get_records_for_run(
        run_id, of_type=dg.DagsterEventType.ENGINE_EVENT, limit=1, ascending=False
    )
    return next((record.event_log_entry.message for record in found.records), "")


def _may_tell(record: dg.EventLogRecord, jobs: set[str]) -> bool:
    if record.event_type is dg.DagsterEventType.RUN_SUCCESS:
        return record.event_log_entry.job_name in jobs
    return True


def _of_ticks(
    instance: dg.DagsterInstance, ledger: Ledger, since: float, until: float, *, own_name: str
) -> Iterator[Happening]:
    """Ticks that ended in this time with an error, and the signs that a sensor or schedule works again."""
    has_automation = instance.schedule_storage is not None  # an ephemeral instance has none
    for state in instance.all_instigator_state() if has_automation else ():
        if not state.is_running or state.instigator_name == own_name:
            continue
        kind = "schedule" if state.instigator_type is InstigatorType.SCHEDULE else "sensor"
        subject = wording.automation_subject(kind, state.instigator_name, state.selector_id)
        failed = [
            tick
            for tick in _ticks(instance, state, since - LONGEST_TICK_SECONDS, [TickStatus.FAILURE])
            if since < (tick.end_timestamp or tick.timestamp) <= until
        ]
        if failed:
            yield wording.of_tick(subject, failed[0].timestamp, failed[0].error)
        entry = ledger.get(subject.key)
        last = max([*(tick.timestamp for tick in failed), *([entry.seen] if entry else [])], default=None)
        if last is not None:
            well = _ticks(instance, state, last, [TickStatus.SUCCESS, TickStatus.SKIPPED], limit=1)
            yield from (Happening(subject, tick.timestamp) for tick in well)


def _ticks(
    instance: dg.DagsterInstance,
    state: InstigatorState,
    after: float,
    statuses: Sequence[TickStatus],
    *,
    limit: int = FAILED_TICKS,
) -> Sequence[InstigatorTick]:
    """Newest first."""
    return instance.get_ticks(
        state.instigator_origin_id, state.selector_id, after=after, limit=limit, statuses=statuses
    )


def _of_daemons(instance: dg.DagsterInstance, now: float) -> Iterator[Happening]:
    """Only of those that were heard of: a test's instance has none."""
    statuses: Mapping[str, Any] = instance.get_daemon_statuses()
    for name, status in sorted(statuses.items()):
        if status.last_heartbeat is not None:
            yield wording.of_daemon(name, status.last_heartbeat, healthy=bool(status.healthy), now=now)
