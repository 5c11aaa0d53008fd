"""`make soak`: exports arrive at random while backfills run and deliveries go wrong; then all is counted.

SOAK_EXPORTS (200) exports, SOAK_SEED (1), SOAK_GAP_SECONDS (3) between arrivals on average, SOAK_FOLDER to
keep what came out. Exits with 1 where anything that must hold does not.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import dagster as dg

from medallion_assets.roots import Roots, project_folder
from medallion_assets.stages import stages_of
from medallion_assets_tests.instance import instance_of, make_home, running_instance, wait_for
from medallion_assets_tests.soak.backfills import launch_all, launch_any
from medallion_assets_tests.soak.deliveries import Step, plan
from medallion_assets_tests.soak.ground import Ground, stale_partitions
from medallion_assets_tests.soak.memory import quarters, watched
from medallion_assets_tests.soak.pipeline import CONFIG, DAYS, FAULT_VARIABLE, RECEIVER_VARIABLE, workspace
from medallion_assets_tests.soak.receiver import Receiver
from medallion_assets_tests.soak.receiver import receiver as receiving
from medallion_assets_tests.soak.verdicts import VERDICTS, Soaked, failures, told_failures

EXPORTS = int(os.environ.get("SOAK_EXPORTS", "200"))
SEED = int(os.environ.get("SOAK_SEED", "1"))
GAP_SECONDS = float(os.environ.get("SOAK_GAP_SECONDS", "3"))
STEPS_A_BACKFILL = 12
STEPS_A_LINE = 20
REST_SECONDS = 900.0
TICK_SECONDS = 15.0
ALERT_SECONDS = 300.0
SHOWN = 20


def main() -> int:
    with _folder() as folder, receiving() as receiver:
        steps = plan(EXPORTS, SEED)
        print(f"{EXPORTS} exports in {len(steps)} steps, seed {SEED}, in {folder}", flush=True)
        happened, soaked = _soak(folder, steps, receiver)
        _print_table(happened, soaked)
        return _judge(soaked)


@contextmanager
def _folder() -> Iterator[Path]:
    if kept := os.environ.get("SOAK_FOLDER"):
        Path(kept).mkdir(parents=True)
        yield Path(kept).absolute()
        return
    with tempfile.TemporaryDirectory(prefix="medallion-soak-") as folder:
        yield Path(folder)


def _soak(folder: Path, steps: list[Step], receiver: Receiver) -> tuple[Counter[str], Soaked]:
    roots = Roots(folder / "data", folder / "landing")
    fault = folder / "fault"
    environment = {
        "MEDALLION_DATA": str(roots.data),
        "MEDALLION_LANDING": str(roots.landing),
        "PYTHONPATH": str(project_folder()),
        FAULT_VARIABLE: str(fault),
        RECEIVER_VARIABLE: receiver.url,
    }
    home = make_home(folder / "home")
    stages = stages_of(CONFIG, roots, base=project_folder())
    exports = tuple(step.landed for step in steps if step.landed is not None)
    with (
        running_instance(home, workspace(folder), environment=environment) as instance,
        watched(instance.process_group) as memory,
    ):
        ground = Ground(roots, stages, fault, instance)
        launch_all(instance, stages, DAYS)  # all partitions are there before any layer is built by itself
        _come_to_rest(ground)
        happened = _carry_out(steps, ground, Random(SEED))
        wait_for(lambda: all(map(ground.holds, exports)), seconds=REST_SECONDS, what="bronze to hold all")
        _come_to_rest(ground)
        happened.update(_settle(ground))
        history = instance_of(home)
        _wait_for_alerts(history, receiver)
    happened.update({"alerts: messages": len(receiver.messages), "alerts: attempts": receiver.attempts})
    return happened, Soaked(exports, ground, history, memory, receiver, folder / "again")


def _wait_for_alerts(history: dg.DagsterInstance, receiver: Receiver) -> None:
    """A message waits until nothing more happens, and for a receiver that refused it. What never comes is
    told by the verdict."""
    with suppress(TimeoutError):
        everything = failures(history)
        wait_for(lambda: everything <= told_failures(receiver), seconds=ALERT_SECONDS, what="the last alert")


def _carry_out(steps: list[Step], ground: Ground, random: Random) -> Counter[str]:
    """In order, but for what has to wait; a backfill every few steps. What happened how often."""
    happened: Counter[str] = Counter()
    pending, started = list(steps), time.monotonic()
    while pending:
        step = wait_for(
            lambda: next((each for each in pending if each.ready(ground)), None),
            seconds=REST_SECONDS,
            what=f"one of {Counter(each.kind for each in pending)}",
        )
        pending.remove(step)
        step.act(ground)
        happened[step.kind] += 1
        if len(pending) % STEPS_A_BACKFILL == 0:
            happened[launch_any(ground.instance, ground.stages, random)] += 1
        if len(pending) % STEPS_A_LINE == 0:
            print(f"{time.monotonic() - started:6.0f} s  {len(pending)} steps to go", flush=True)
        time.sleep(random.expovariate(1 / GAP_SECONDS))
    return happened


def _come_to_rest(ground: Ground) -> None:
    """Until nothing was at work at two looks with ticks of all sensors between."""
    quiet = 0
    while quiet < 2:
        wait_for(ground.is_quiet, seconds=REST_SECONDS, what="all runs and backfills to end")
        time.sleep(TICK_SECONDS)
        quiet = quiet + 1 if ground.is_quiet() else 0


def _settle(ground: Ground) -> Counter[str]:
    """As the nightly schedule would, what backfills of single layers left behind. How much that was."""
    stale = list(stale_partitions(ground))
    if stale:
        launch_all(ground.instance, ground.stages, sorted({key for _, key in stale}))
        _come_to_rest(ground)
    return Counter({"left stale, then settled": len(stale)})


def _print_table(happened: Counter[str], soaked: Soaked) -> None:
    runs = Counter(run.status.value.lower() for run in soaked.history.get_runs())
    print("\nwhat happened                 times")
    for name, count in (*happened.items(), *((f"runs: {status}", count) for status, count in runs.items())):
        print(f"{name:28}{count:7}")
    print("\nresident MiB, by quarter of the time")
    for role, samples in soaked.memory.items():
        print(f"{role:16}{''.join(f'{mib:8.0f}' for mib in quarters(samples))}")


def _judge(soaked: Soaked) -> int:
    """Prints each verdict with what does not hold."""
    print("\nwhat must hold")
    violated = 0
    for verdict in VERDICTS:
        found = list(verdict(soaked))
        violated += len(found)
        print(f"{'VIOLATED' if found else 'holds':10}{verdict.__name__.replace('_', ' ')}")
        for violation in found[:SHOWN]:
            print(f"          {violation}")
    print(f"\n{violated} violations" if violated else "\nEverything holds.")
    return 1 if violated else 0


if __name__ == "__main__":
    sys.exit(main())
