"""Rows 23 and 24: processes that start together on a home where nothing is yet, and SQLite under contention.

Belongs here: what they write to an instance, and that all of it is there. Does not: what runs and sensors do
(daemons.py).
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus
from dagster._core.utils import make_new_run_id

from medallion_assets.roots import project_folder
from medallion_assets_tests.faults.children import Child, start
from medallion_assets_tests.faults.fault import Fault
from medallion_assets_tests.instance import instance_of, make_home, wait_for

STARTING, WRITING = 4, 8
READY_SECONDS = 60.0
# SQLite's own patience is 5 seconds; a back-up, or a full disk's journal, may take longer.
HELD_SECONDS = 7.0
LOOK_SECONDS = 0.001


def _fresh_homes(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    for seed in seeds:
        home = ground / str(seed)
        home.mkdir()
        shutil.copyfile(project_folder() / "dagster.yaml", home / "dagster.yaml")
        children = [start(start_at_once, home, number) for number in range(STARTING)]
        _go(home, STARTING)
        yield _what_is_wrong(home, children, range(STARTING))
        shutil.rmtree(home)


def start_at_once(home: Path, number: int) -> None:
    _wait_for_go(home)
    with _instance(home) as instance:
        _write(instance, [number])


def write_at_once(home: Path, numbers: list[int]) -> None:
    with _instance(home) as instance:
        _wait_for_go(home)
        _write(instance, numbers)


def _instance(home: Path) -> dg.DagsterInstance:
    os.environ["DAGSTER_HOME"] = str(home)
    return dg.DagsterInstance.from_config(str(home))


def _wait_for_go(home: Path) -> None:
    (home / f"ready {os.getpid()}").touch()
    while not (home / "go").exists():
        time.sleep(LOOK_SECONDS)


def _go(home: Path, processes: int) -> None:
    """Once all are ready."""
    wait_for(lambda: len(list(home.glob("ready *"))) == processes, seconds=READY_SECONDS, what="processes")
    (home / "go").touch()


def _write(instance: dg.DagsterInstance, numbers: Iterable[int]) -> None:
    """A run with an event of its own, an event of none, a cursor: every database of the home."""
    for number in numbers:
        run = dg.DagsterRun(job_name="job", run_id=make_new_run_id(), tags={"number": str(number)})
        instance.add_run(run)
        instance.report_engine_event(f"event {number}", run)
        instance.report_runless_asset_event(dg.AssetMaterialization(["asset", str(number)]))
        instance.daemon_cursor_storage.set_cursor_values({str(number): "there"})
        instance.add_instigator_state(_sensor_state(number))


def _sensor_state(number: int) -> InstigatorState:
    return InstigatorState(_origin(number), InstigatorType.SENSOR, InstigatorStatus.RUNNING)


def _origin(number: int) -> RemoteInstigatorOrigin:
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("location"), "repository")
    return RemoteInstigatorOrigin(repository, f"sensor{number}")


def _what_is_wrong(home: Path, children: list[Child], numbers: Iterable[int]) -> str | None:
    codes = {child.wait() for child in children}
    if codes != {0}:
        return f"processes ended with {codes}"
    with instance_of(home) as instance:
        return next((wrong for number in numbers if (wrong := _missing(instance, number))), None)


def _missing(instance: dg.DagsterInstance, number: int) -> str | None:
    runs = instance.get_runs(dg.RunsFilter(tags={"number": str(number)}))
    logs = [entry.dagster_event for run in runs for entry in instance.all_logs(run.run_id)]
    events = [event.message for event in logs if event]
    runless = instance.get_latest_materialization_event(dg.AssetKey(["asset", str(number)]))
    cursor = instance.daemon_cursor_storage.get_cursor_values({str(number)})
    state = instance.get_instigator_state(_origin(number).get_id(), _origin(number).get_selector().get_id())
    whole = events == [f"event {number}"] and runless and state and cursor == {str(number): "there"}
    return None if whole else f"{number} is there as {events}, {runless}, {cursor}"


def _contended(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """All write at once, while each database in turn is locked by somebody for longer than SQLite waits."""
    seeds = list(seeds)
    home = make_home(ground / "home")
    shares = [share for number in range(WRITING) if (share := seeds[number::WRITING])]
    children = [start(write_at_once, home, share) for share in shares]
    _go(home, len(shares))
    for database in ("history/runs.db", "schedules/schedules.db", "history/runs/index.db"):
        with closing(sqlite3.connect(home / database, timeout=60, isolation_level=None)) as held:
            held.execute("BEGIN IMMEDIATE")
            time.sleep(HELD_SECONDS)
            held.execute("ROLLBACK")
    wrong = _what_is_wrong(home, children, ())
    with instance_of(home) as instance:
        for seed in seeds:
            yield wrong or _missing(instance, seed)


FAULTS = (
    Fault("fresh_homes", "23", "all start, none is lost", _fresh_homes, quick=1, full=100),
    Fault("sqlite_contended", "24", "all wait, none is lost", _contended, quick=0, full=1000),
)
