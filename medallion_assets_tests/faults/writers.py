"""Rows 16 to 18: many processes that write one partition, a person beside the daemon, locks of the dead."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from medallion_assets.storage import files
from medallion_assets.storage.manifest import Digests
from medallion_assets.storage.store import Build, PartitionStore, PartitionWriter
from medallion_assets_tests.faults.children import start
from medallion_assets_tests.faults.fault import Fault, chance
from medallion_assets_tests.faults.layers import CONFIG, DAYS, LAYERS, alpaca, land_first, land_second
from medallion_assets_tests.faults.trees import differences, tree
from medallion_assets_tests.pipeline.works import Works
from medallion_assets_tests.storage.samples import BRONZE_LOG, SILVER, append_of, build_of, numbers, rows_of

WRITERS = 16
DAY = DAYS[0]
# A lock is taken over as soon as the kernel has buried its holder.
LONGEST_WAIT_SECONDS = 10


def _appended(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """Every append of every process is there in the end, once."""
    seeds = list(seeds)
    store = PartitionStore(ground)
    codes = _by_all(append_each, ground, seeds)
    held = sorted(rows_of(store, BRONZE_LOG))
    for seed in seeds:
        yield (
            None
            if codes == {0} and held.count(seed) == 1
            else f"ended with {codes}, {seed} is not there once"
        )


def append_each(root: Path, values: list[int]) -> None:
    for value in values:
        PartitionStore(root).append(BRONZE_LOG, DAY, append_of(**{f"{value:064}": [value]}))


def _counted(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """Each write adds one to what it finds: a lost update would leave the sum short."""
    seeds = list(seeds)
    store = PartitionStore(ground)
    store.overwrite(SILVER, DAY, build_of(0))
    codes = _by_all(add_one_each, ground, seeds)
    [total] = rows_of(store, SILVER)
    for number in range(len(seeds)):
        yield None if codes == {0} and number < total <= len(seeds) else f"{codes}, {total} of {len(seeds)}"


def add_one_each(root: Path, values: list[int]) -> None:
    store = PartitionStore(root)

    def add_one(writer: PartitionWriter) -> None:
        [before] = rows_of(store, SILVER)
        writer.rows(numbers([before + 1]))

    for value in values:
        store.overwrite(SILVER, DAY, Build(lambda value=value: Digests(str(value), "", ""), add_one))


def _fed(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """All processes look at one landing folder at once and take what lies there: each export once."""
    seeds = list(seeds)
    works = Works(ground, CONFIG)
    for seed in seeds:
        works.land(f"alpaca/{DAY}/{seed}.jsonl", [alpaca(f"ask {seed}", "answer")])
    codes = {child.wait() for child in [start(take_all, ground) for _ in range(WRITERS)]}
    stage = works.stage("bronze/alpaca")
    texts = [row for b in works.store.batches(stage.table, DAY, ["raw"]) for row in b["raw"].to_pylist()]
    for seed in seeds:
        found = sum(f'"ask {seed}"' in text for text in texts)
        yield (
            None if codes == {0} and found == 1 else f"ended with {codes}, ask {seed} is there {found} times"
        )


def take_all(folder: Path) -> None:
    works = Works(folder, CONFIG)
    works.build(works.stage("bronze/alpaca"), DAY)


def _by_all(write: Callable[[Path, list[int]], None], root: Path, seeds: list[int]) -> set[int]:
    shares = [share for number in range(WRITERS) if (share := seeds[number::WRITERS])]
    return {child.wait() for child in [start(write, root, share) for share in shares]}


def _beside_the_daemon(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """Two to four processes run whole days on one store, in orders of their own, with a sweep between."""
    calm = Works(ground / "calm", CONFIG)
    for land in (land_first, land_second):
        land(calm)
    for day in DAYS:
        calm.build_day(day)
    expected = _settled_tree(calm)
    for seed in seeds:
        random = chance("daemon", seed)
        folder = ground / "shared"
        shutil.rmtree(folder, ignore_errors=True)
        for land in (land_first, land_second):
            land(Works(folder, CONFIG))
        orders = [random.sample(DAYS, len(DAYS)) for _ in range(random.randint(2, 4))]
        codes = [child.wait() for child in [start(run_days, folder, order) for order in orders]]
        if codes != [0] * len(orders):
            yield f"ended with {codes}"
        else:
            yield differences(expected, _settled_tree(Works(folder, CONFIG)))


def run_days(folder: Path, order: list[str]) -> None:
    works = Works(folder, CONFIG)
    for day in order:
        works.build_day(day)
        for stage in works.stages.all():
            works.store.sweep(stage.table)


def _settled_tree(works: Works) -> dict[str, str]:
    """After whoever had the last word was the last to settle, and superseded files are gone."""
    for stage in works.stages.all():
        works.store.sweep(stage.table, grace_seconds=-1)
    LAYERS["release"].write(works)
    return tree(works.store.root)


def _locks_of_the_dead(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """A process dies, or is killed, with the partition's lock; the next goes on at once."""
    lock = ground / "locks" / "a.lock"
    for seed in seeds:
        child = start(hold, lock, ground / "held")
        while not (ground / "held").exists():
            time.sleep(0.001)
        child.kill()
        began = time.monotonic()
        with files.exclusive_lock(lock):
            waited = time.monotonic() - began
        child.wait()
        (ground / "held").unlink()
        yield None if waited < LONGEST_WAIT_SECONDS else f"seed {seed} waited for {waited:.1f} seconds"


def hold(lock: Path, held: Path) -> None:
    with files.exclusive_lock(lock):
        held.touch()
        time.sleep(3600)


FAULTS = (
    Fault("writers_append", "16", "A, no update is lost", _appended, quick=160, full=3200),
    Fault("writers_overwrite", "16", "no update is lost", _counted, quick=160, full=3200),
    Fault("writers_take_exports", "16", "A", _fed, quick=60, full=3200),
    Fault("beside_the_daemon", "17", "A B C", _beside_the_daemon, quick=3, full=200),
    Fault("locks_of_the_dead", "18", "the next goes on", _locks_of_the_dead, quick=5, full=200),
)
