"""Rows 5, 17, 19 to 22 and 26: a daemon, a code server or a run that is killed, and a person beside them.

Belongs here: what is done to an instance in pieces, and that it comes to rest by itself: every export taken,
nothing outdated, the event log in agreement with the store, all bytes those of a store that nothing happened
to. Does not: starting and killing (deployment.py), or where processes stop (signs.py).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from random import Random

import dagster as dg
import yaml
from dagster._core.scheduler.instigation import SensorInstigatorData

from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets.stage import is_outdated
from medallion_assets.storage.still import StillStore
from medallion_assets_tests.agreement import disagreements
from medallion_assets_tests.driven import environment_of
from medallion_assets_tests.faults.deployment import CODE_SERVER, DAEMON, Deployment, deployed
from medallion_assets_tests.faults.fault import Fault, chance
from medallion_assets_tests.faults.layers import CONFIG as EVERYTHING
from medallion_assets_tests.faults.layers import alpaca
from medallion_assets_tests.faults.signs import DIE, FAIL, HOLD, Signs
from medallion_assets_tests.faults.trees import differences, tree
from medallion_assets_tests.instance import instance_of, wait_for
from medallion_assets_tests.pipeline.works import Works

# One source is enough: what makes silver and gold late is how long processes live, not what they read.
CONFIG = EVERYTHING.model_copy(update={"releases": [], "sources": EVERYTHING.sources[:1]})
PIPELINE = yaml.safe_dump(CONFIG.model_dump(mode="json", exclude_defaults=True, by_alias=True))
TABLES = ("bronze/alpaca", "silver/alpaca_conformed", "silver/sft_pairs", "gold/packed", "silver/profile")
FIRST = date(2024, 9, 1)
# An export is dated on one of so many days up to the newest, so that some are late.
DAYS_OF_LATE = 3
# In which everything comes to rest again, however busy the machine is.
REST_SECONDS = 120.0
SEEN_SECONDS = 60.0
AT_WORK = (
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


@dataclass
class Stand:
    """An instance in pieces with its store, and a store beside it that nothing happens to."""

    deployment: Deployment
    signs: Signs
    works: Works
    calm: Works
    instance: dg.DagsterInstance
    landed: int = 0

    def land(self, random: Random) -> str:
        """An export of new records, one of them known from before; its landing date."""
        newest = self.landed // 2
        day = (FIRST + timedelta(days=max(0, newest - random.randrange(DAYS_OF_LATE)))).isoformat()
        numbers = (max(0, self.landed - 1), self.landed)
        rows = [alpaca(f"ask {n} {m}", f"the answer to {n} {m} " * 5) for n in numbers for m in range(4)]
        for works in (self.works, self.calm):
            works.land(f"alpaca/{day}/{self.landed}.jsonl", [*rows, "{cut"])
        self.calm.build_day(day)
        self.landed += 1
        return day

    def runs(self, *statuses: dg.DagsterRunStatus) -> set[str]:
        return {run.run_id for run in self.instance.get_runs(dg.RunsFilter(statuses=list(statuses)))}

    def rest(self, *, seconds: float = REST_SECONDS) -> str | None:
        """What does not hold, if it still does not after so long."""
        deadline = time.monotonic() + seconds
        while wrong := self._unsettled():
            if time.monotonic() > deadline:
                return f"after {seconds:.0f} s {wrong}"
            time.sleep(0.1)
        for works in (self.works, self.calm):
            for stage in works.stages.all():
                works.store.sweep(stage.table, grace_seconds=-1)
        return differences(tree(self.calm.store.root), tree(self.works.store.root))

    def _unsettled(self) -> str | None:
        if runs := self.runs(*AT_WORK):
            return f"{len(runs)} runs are at work"
        for bronze in self.works.stages.bronze():
            if missing := bronze.missing(self.works.store, bronze.inventory(self.works.store)):
                return f"bronze lacks {missing}"
        still = StillStore(self.works.store)
        for stage in self.works.stages.all():
            for key in sorted(stage.due(still)):
                if is_outdated(stage, still, key):
                    return f"{stage.table.full_name} {key} is outdated"
        return next(disagreements(self.works.stages, self.works.store, self.instance), None)


@contextmanager
def standing(folder: Path, config: PipelineConfig = CONFIG, pipeline: str = PIPELINE) -> Iterator[Stand]:
    """With code server and daemon at work, and nothing landed yet."""
    store = folder / "store"
    with (
        deployed(store, pipeline, environment_of(store)) as deployment,
        instance_of(deployment.home, deployment.environment) as instance,
    ):
        deployment.start(CODE_SERVER)
        deployment.start(DAEMON)
        works, calm = Works(store, config), Works(folder / "calm", config)
        yield Stand(deployment, Signs(store / "signs"), works, calm, instance)


Do = Callable[[Stand, Random], None]


def _each(name: str, do: Do, ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """`do` lands what is to be taken, and breaks something meanwhile."""
    with standing(ground) as stand:
        for seed in seeds:
            random = chance(name, seed)
            try:
                do(stand, random)
                stand.signs.clear()
            except TimeoutError as error:
                yield str(error)
            else:
                yield stand.rest()


def _dead_before_its_event(stand: Stand, random: Random) -> None:
    """A run commits a partition, and dies before it has told Dagster."""
    place = f"after {random.choice(TABLES)}"
    stand.signs.put(place, DIE)
    stand.land(random)
    wait_for(lambda: not stand.signs.is_there(place), seconds=SEEN_SECONDS, what=f"the death {place}")


def _run_killed(stand: Stand, random: Random) -> None:
    os.kill(_held_run(stand, random), signal.SIGKILL)


def _held_run(stand: Stand, random: Random) -> int:
    """The process of a run that has come to some table, and waits there."""
    place = f"before {random.choice(TABLES)}"
    stand.signs.put(place, HOLD)
    stand.land(random)
    return stand.signs.held(place)


def _run_fails_then_heals(stand: Stand, random: Random) -> None:
    failed = stand.runs(dg.DagsterRunStatus.FAILURE)
    stand.signs.put(f"before {random.choice(TABLES)}", FAIL)
    stand.land(random)
    wait_for(
        lambda: stand.runs(dg.DagsterRunStatus.FAILURE) - failed, seconds=SEEN_SECONDS, what="a failed run"
    )


def _daemon_killed(stand: Stand, random: Random) -> None:
    """While a sensor is asked, as soon as it has made a run, or while the run is at work."""
    random.choice((_killed_while_looking, _killed_at_a_new_run, _killed_beside_a_run))(stand, random)
    stand.signs.clear()
    stand.deployment.start(DAEMON)


def _killed_while_looking(stand: Stand, random: Random) -> None:
    stand.land(random)
    stand.signs.put("looking alpaca", HOLD)
    stand.signs.held("looking alpaca")
    stand.deployment.kill(DAEMON)


def _killed_at_a_new_run(stand: Stand, random: Random) -> None:
    """Anywhere between making it and having it launched."""
    before = stand.instance.get_runs_count()
    stand.land(random)
    deadline = time.monotonic() + SEEN_SECONDS
    while stand.instance.get_runs_count() == before and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(random.choice((0, random.uniform(0, 2))))
    stand.deployment.kill(DAEMON)


def _killed_beside_a_run(stand: Stand, random: Random) -> None:
    _held_run(stand, random)
    stand.deployment.kill(DAEMON)


def _code_server_killed(stand: Stand, random: Random) -> None:
    """With a run at work, which goes on or goes with it."""
    _held_run(stand, random)
    stand.deployment.kill(CODE_SERVER, with_children=random.random() < 0.5)
    stand.signs.clear()
    stand.deployment.start(CODE_SERVER)


def _all_killed(stand: Stand, random: Random) -> None:
    """As when a machine loses power: nobody is left who knows of the run."""
    _held_run(stand, random)
    for name in (DAEMON, CODE_SERVER):
        stand.deployment.kill(name, with_children=True)
    stand.signs.clear()
    for name in (CODE_SERVER, DAEMON):
        stand.deployment.start(name)


def _cursors_wiped(stand: Stand, random: Random) -> None:
    """Of every sensor and of the alerts, before an export lands or while its run is at work."""
    if random.random() < 0.5:
        _held_run(stand, random)
        _wipe(stand.instance)
    else:
        _wipe(stand.instance)
        stand.land(random)


def _wipe(instance: dg.DagsterInstance) -> None:
    for state in instance.all_instigator_state():
        if isinstance(state.instigator_data, SensorInstigatorData):
            instance.update_instigator_state(state.with_data(SensorInstigatorData()))


def _beside_a_person(stand: Stand, random: Random) -> None:
    """The same partition by command line, a moment before or after the daemon's run begins."""
    place = f"before {random.choice(TABLES)}"
    stand.signs.put(place, HOLD)
    day = stand.land(random)
    if random.random() < 0.5:
        stand.signs.held(place)
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "--select", "*", "--partition", day]
    person = subprocess.Popen(
        [*command, "-f", "definitions.py"],
        cwd=stand.deployment.folder,
        env={**os.environ, **stand.deployment.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(random.uniform(0, 5))
    stand.signs.clear()
    if person.wait():
        raise TimeoutError(f"the command for {day} ended with {person.returncode}")


def _fault(name: str, rows: str, do: Do, *, quick: int = 0, full: int = 50) -> Fault:
    return Fault(name, rows, "A C, by itself, events agree", partial(_each, name, do), quick, full)


FAULTS = (
    _fault("dead_before_its_event", "5", _dead_before_its_event),
    _fault("daemon_killed", "19", _daemon_killed),
    _fault("run_killed", "20", _run_killed),
    _fault("run_fails_then_heals", "20", _run_fails_then_heals),
    _fault("code_server_killed", "21", _code_server_killed),
    _fault("all_killed", "22", _all_killed, quick=1),
    _fault("cursors_wiped", "26", _cursors_wiped),
    _fault("beside_a_person", "17", _beside_a_person),
)
