"""Dagster's history: what of it the UI still needs, and how the rest is removed.

What a partition is (materialized, failed) lives in the events of the run that last made or tried it, and goes
with that run. So only runs go that hold no asset partition's latest event and no check's latest verdict.
Belongs here: what Dagster has no call for, on its tables, which SQLite and PostgreSQL share. Does not: when
(prune.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import sqlalchemy as sql
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

RUNS_A_PAGE = 500
ROWS_A_STEP = 1_000
# Of each of these, the latest event of a partition says something that no later one does.
TELLING = (
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
    dg.DagsterEventType.ASSET_OBSERVATION,
)
CHECK_EVENTS = (
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
)
RUNLESS = ""  # the run id of events that no run has reported
_events, _checks = SqlEventLogStorageTable.c, AssetCheckExecutionsTable.c


def storage_of(instance: dg.DagsterInstance) -> SqlEventLogStorage:
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        raise TypeError(
            f"history is kept by {type(storage).__name__}; SQLite and PostgreSQL can be read here"
        )
    return storage


def superseded_runs(
    instance: dg.DagsterInstance, *, before: datetime, newest_kept: int
) -> Iterator[dg.DagsterRun]:
    """Runs that ended before then and that nothing needs, from the oldest on."""
    needed = _needed_runs(storage_of(instance))
    newest: dict[str, set[str]] = {}
    for run in _ended_runs(instance, before):
        if run.job_name not in newest:
            last = instance.get_runs(dg.RunsFilter(job_name=run.job_name), limit=newest_kept)
            newest[run.job_name] = {each.run_id for each in last} if newest_kept else set()
        if run.run_id not in needed and run.run_id not in newest[run.job_name]:
            yield run


def remove_run(instance: dg.DagsterInstance, run_id: str) -> None:
    """With its events and what it wrote to its output."""
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    instance.delete_run(run_id)


def remove_files_of_gone_runs(instance: dg.DagsterInstance, *, before: datetime) -> int:
    """SQLite keeps a file a run, which stays when the run is deleted; how many were removed."""
    storage = storage_of(instance)
    if not isinstance(storage, SqliteEventLogStorage):
        return 0
    old = [
        run_id
        for run_id in storage.get_all_run_ids()
        if _changed_at(Path(storage.path_for_shard(run_id))) < before.timestamp()
        and not instance.has_run(run_id)
    ]
    for run_id in old:
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(f"{storage.path_for_shard(run_id)}{suffix}").unlink()
    return len(old)


def remove_old_verdicts(instance: dg.DagsterInstance, *, before: datetime) -> int:
    """Verdicts of checks but for the latest of each partition, and the events of those that no run has."""
    storage, then = storage_of(instance), before.astimezone(UTC).replace(tzinfo=None)
    old = _checks.evaluation_event_timestamp < then
    removed = _remove(storage, AssetCheckExecutionsTable, old & _checks.id.not_in(_shown_verdicts()))
    named = sql.select(_checks.evaluation_event_storage_id).where(
        _checks.evaluation_event_storage_id.is_not(None)
    )
    of_checks = _events.dagster_event_type.in_([kind.value for kind in CHECK_EVENTS])
    runless = (_events.run_id == RUNLESS) & of_checks & (_events.timestamp < then)
    _remove(storage, SqlEventLogStorageTable, runless & _events.id.not_in(named))
    if storage.is_run_sharded:  # a second copy, which nothing shows
        with storage.run_connection(RUNLESS) as connection:
            connection.execute(SqlEventLogStorageTable.delete().where(runless))
    return removed


def _remove(storage: SqlEventLogStorage, table: sql.Table, which: sql.ColumnElement[bool]) -> int:
    """In small steps, so that nobody waits long for the table."""
    removed = 0
    while True:
        with storage.index_connection() as connection:
            some = sql.select(table.c.id).where(which).order_by(table.c.id).limit(ROWS_A_STEP)
            ids = [row[0] for row in connection.execute(some)]
            connection.execute(table.delete().where(table.c.id.in_(ids)))
        removed += len(ids)
        if len(ids) < ROWS_A_STEP:
            return removed


def _needed_runs(storage: SqlEventLogStorage) -> set[str]:
    kinds = [kind.value for kind in TELLING]
    latest_events = (
        sql.select(sql.func.max(_events.id))
        .where(_events.asset_key.is_not(None) & _events.dagster_event_type.in_(kinds))
        .group_by(_events.asset_key, _events.dagster_event_type, _events.partition)
    )
    of_events = sql.select(_events.run_id).where(_events.id.in_(latest_events)).distinct()
    of_checks = sql.select(_checks.run_id).where(_checks.id.in_(_shown_verdicts())).distinct()
    with storage.index_connection() as connection:
        rows = [*connection.execute(of_events), *connection.execute(of_checks)]
    return {row[0] for row in rows}


def _shown_verdicts() -> sql.CompoundSelect[tuple[int]]:
    """The last of each check, whatever became of it, and the last of each partition that came to a verdict.

    A check without partitions leaves a row "planned" for each partition of its run, for ever.
    """
    last = sql.select(sql.func.max(_checks.id)).group_by(_checks.asset_key, _checks.check_name)
    came_to_one = _checks.execution_status != AssetCheckExecutionRecordStatus.PLANNED.value
    return sql.union(last, last.group_by(_checks.partition).where(came_to_one))


def _ended_runs(instance: dg.DagsterInstance, before: datetime) -> Iterator[dg.DagsterRun]:
    ended = dg.RunsFilter(statuses=list(FINISHED_STATUSES), updated_before=before)
    cursor = None
    while page := _page(instance, ended, cursor):
        yield from page
        cursor = page[-1].run_id


def _page(instance: dg.DagsterInstance, which: dg.RunsFilter, cursor: str | None) -> Sequence[dg.DagsterRun]:
    records = instance.get_run_records(which, limit=RUNS_A_PAGE, ascending=True, cursor=cursor)
    return [record.dagster_run for record in records]


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
