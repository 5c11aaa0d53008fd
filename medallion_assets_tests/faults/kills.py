"""Rows 1 to 7: a writer killed at any time, dead between any two steps, and what it leaves behind.

A store that equals the expected one byte by byte conserves every record, since the expected one does; so
that is what each rerun is compared with.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from functools import cache, partial
from pathlib import Path
from statistics import median

import duckdb

from medallion_assets.curate.buckets import FOLDER_NAME as BUCKETS
from medallion_assets.storage import catalogue
from medallion_assets.storage.files import TEMPORARY_PREFIX
from medallion_assets_tests.faults.children import Child, start
from medallion_assets_tests.faults.fault import Fault, chance
from medallion_assets_tests.faults.layers import CONFIG, LAYERS, Stand, stand_of, write
from medallion_assets_tests.faults.syncs import out_of_order, recorded
from medallion_assets_tests.pipeline.works import LONG_AGO, Works
from medallion_assets_tests.storage.samples import DIED, at_each_step, die_before

TIMED_RUNS = 3


def _killed(name: str, ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    stand = stand_of(name)
    if wrong := stand.unbalanced():
        raise AssertionError(f"without any fault: {wrong}")
    seconds = median(_seconds_of_a_run(stand) for _ in range(TIMED_RUNS))
    for seed in seeds:
        after = chance(name, seed).uniform(0, seconds)
        while not _is_killed(stand, after):
            after *= 0.7  # it was done already
        yield stand.not_whole() or stand.rerun_differs()


def _seconds_of_a_run(stand: Stand) -> float:
    stand.reset()
    began = time.monotonic()
    assert start(write, stand.layer.name, stand.folder).wait() == 0
    return time.monotonic() - began


def _is_killed(stand: Stand, after: float) -> bool:
    stand.reset()
    child: Child = start(write, stand.layer.name, stand.folder)
    time.sleep(after)
    child.kill()
    return child.wait() == -signal.SIGKILL


def refresh(folder: Path) -> None:
    works = Works(folder, CONFIG)
    catalogue.refresh(works.store.root, works.roots.warehouse)


def _catalogue_killed(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """Whoever opens it finds the old one or the new one, and the next refresh clears up."""
    stand = stand_of("release")
    stand.reset()
    refresh(stand.folder)
    expected, began = _answers(stand.data), time.monotonic()
    assert start(refresh, stand.folder).wait() == 0
    seconds = time.monotonic() - began
    for seed in seeds:
        child = start(refresh, stand.folder)
        time.sleep(chance("catalogue", seed).uniform(0, seconds))
        child.kill()
        child.wait()
        found = _answers(stand.data)
        refresh(stand.folder)
        left = orphans(stand.data)
        yield None if found == expected and not left else f"{found} instead of {expected}; {left} is left"


def _answers(data: Path) -> list[object]:
    views = ("bronze.alpaca", "silver.sft_pairs", "silver.rejects", "gold.packed")
    with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as duck:
        return [duck.execute(f"SELECT count(*) FROM {view}").fetchall() for view in views]


def write_until(nth: int, name: str, folder: Path) -> None:
    die_before(partial(write, name), folder, nth)


def write_counting(name: str, folder: Path) -> None:
    """Exits with the number of steps."""
    count = 0

    def before(number: int) -> None:
        nonlocal count
        count = number

    at_each_step(before)
    write(name, folder)
    os._exit(count)


@cache
def steps_of(name: str) -> int:
    """How many steps the layer's writer takes."""
    stand = stand_of(name)
    stand.reset()
    return start(write_counting, name, stand.folder).wait()


def _dead_between_steps(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """The writers in turn, each at its next step; then perhaps again at any, before it may run to its end."""
    stands = [stand_of(name) for name in LAYERS]
    steps = [steps_of(stand.layer.name) for stand in stands]
    for seed in seeds:
        turn, number = divmod(seed, len(stands))
        random = chance("steps", seed)
        more = [random.randint(1, steps[number]) for _ in range(random.choice((0, 0, 1, 2)))]
        yield _dead_before(stands[number], [1 + turn % steps[number], *more])


def _dead_before(stand: Stand, steps: list[int]) -> str | None:
    stand.reset()
    for number, step in enumerate(steps):
        code = start(write_until, step, stand.layer.name, stand.folder).wait()
        if code != DIED and not (number and code == 0):  # a second run may have less to do
            return f"{stand.layer.name} ended with {code} instead of dying before step {step}"
        if wrong := stand.not_whole():
            return f"{stand.layer.name}, dead before the steps {steps}: {wrong}"
    wrong = stand.rerun_differs()
    return wrong and f"{stand.layer.name}, dead before the steps {steps}: {wrong}"


def _left_behind(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """A writer is killed at a step; once its files are old, what clears up every night leaves no trace."""
    stands = [stand_of(name) for name in LAYERS]
    steps = [steps_of(stand.layer.name) for stand in stands]
    for seed in seeds:
        number = seed % len(stands)
        stand, step = stands[number], chance("left", seed).randint(1, steps[number])
        stand.reset()
        start(write_until, step, stand.layer.name, stand.folder).wait()
        _age(stand.data)
        stand.swept(stand.folder)
        left = orphans(stand.data)
        wrong = (left and f"{left} is left") or stand.rerun_differs()
        wrong = wrong or (orphans(stand.data) and f"{orphans(stand.data)} is left after a rerun") or None
        yield wrong and f"{stand.layer.name}, dead before step {step}: {wrong}"


def orphans(data: Path) -> list[Path]:
    """Not what lies in one."""
    found = data.rglob(f"{TEMPORARY_PREFIX}*")
    return [
        path for path in found if not any(each.name.startswith(TEMPORARY_PREFIX) for each in path.parents)
    ]


def _age(data: Path) -> None:
    for path in data.rglob("*"):
        if path.name.startswith(TEMPORARY_PREFIX) or BUCKETS in path.parts:
            os.utime(path, (LONG_AGO, LONG_AGO))


def _order_of_syncs(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    stands = [stand_of(name) for name in LAYERS]
    for seed in seeds:
        stand = stands[seed % len(stands)]
        stand.reset()
        with recorded() as steps:
            stand.layer.run(stand.folder)
        wrong = out_of_order(steps)
        yield wrong and f"{stand.layer.name}: {wrong}"


FAULTS = (
    *(
        Fault(f"{name}_killed", "1-3, 5", "A B C D", partial(_killed, name), quick=6, full=1000)
        for name in LAYERS
    ),
    Fault("catalogue_killed", "1-3", "B D", _catalogue_killed, quick=5, full=1000),
    Fault("dead_between_steps", "4, 5", "A B C D", _dead_between_steps, quick=30, full=16_000),
    Fault("orphans", "6", "C D, no orphan stays", _left_behind, quick=12, full=1000),
    Fault("order_of_syncs", "7", "write < fsync < rename < fsync of the folder", _order_of_syncs, 6, 600),
)
