"""Rows 41 to 45: nothing that should not matter shows in a byte, and rows of another shape are not taken."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from medallion_assets.storage.manifest import Digests
from medallion_assets.storage.parts import PartWriter, SchemaMismatch
from medallion_assets.storage.store import Build, PartitionStore, PartitionWriter
from medallion_assets_tests.faults.fault import Fault, chance
from medallion_assets_tests.faults.layers import CONFIG, DAYS, land_first, land_second
from medallion_assets_tests.faults.trees import Tree, differences, tree
from medallion_assets_tests.pipeline.works import Works, outdated_days
from medallion_assets_tests.storage.samples import DAY, NUMBERS, SILVER, build_of, rows_of, sha256_of

HASH_SEEDS = ("0", "1", "77", "4242", "random")
THREADS = ("1", "2", "8")
ZONES = ("UTC", "Asia/Kathmandu", "America/St_Johns")
LOCALES = ("C", "C.UTF-8")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "RAYON_NUM_THREADS", "ARROW_IO_THREADS")
ENVIRONMENTS = tuple(itertools.product(HASH_SEEDS, THREADS, ZONES, LOCALES))
SCRIPT = "import sys; from medallion_assets_tests.faults.determinism import build; build(sys.argv[1])"


def landed(folder: Path) -> Works:
    works = Works(folder, CONFIG)
    land_first(works)
    land_second(works)
    return works


def build(folder: str | Path) -> Tree:
    works = landed(Path(folder))
    for day in DAYS:
        works.build_day(day)
    return swept(works)


def swept(works: Works) -> Tree:
    for stage in works.stages.all():
        works.store.sweep(stage.table, grace_seconds=-1)
    return {path: sha for path, sha in tree(works.store.root).items() if not path.endswith("_current")}


def _environments(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """Hash seeds, threads, time zones and locales, each in a process of its own."""
    expected = build(ground / "expected")
    for seed in seeds:
        # Prime to their number, so that a sample has some of each.
        hash_seed, threads, zone, locale = ENVIRONMENTS[seed * 37 % len(ENVIRONMENTS)]
        given = {"PYTHONHASHSEED": hash_seed, "TZ": zone, "LC_ALL": locale}
        given |= dict.fromkeys(THREAD_VARIABLES, threads)
        folder = ground / str(seed)
        subprocess.run([sys.executable, "-c", SCRIPT, str(folder)], env={**os.environ, **given}, check=True)
        wrong = differences(expected, swept(Works(folder, CONFIG)))
        yield wrong and f"{given}: {wrong}"


def _orders_of_landing(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """Files come in any order, one by one or together, and are looked at in between."""
    expected = build(ground / "expected")
    files = sorted(path for path in (ground / "expected/landing").rglob("*") if path.is_file())
    names = [path.relative_to(ground / "expected/landing").as_posix() for path in files]
    for seed in seeds:
        random = chance("landing", seed)
        works = Works(ground / str(seed), CONFIG)
        for number in random.sample(range(len(files)), len(files)):
            works.drop(names[number], files[number].read_bytes())
            if random.random() < 0.3:
                for stage in works.stages.bronze():
                    works.build(stage, random.choice(DAYS))
        for day in DAYS:
            works.build_day(day)
        yield differences(expected, swept(works))


def _batches(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """The same rows, cut into batches and chunks in any way, are the same bytes."""
    for seed in seeds:
        random = chance("batches", seed)
        rows = NUMBERS.table({"number": random.randrange(1 << 40)} for _ in range(random.randrange(200)))
        hashes = {_written(ground, cut) for cut in ([rows], *(_cut(rows, random) for _ in range(3)))}
        yield None if len(hashes) == 1 else f"{len(hashes)} hashes of {rows.num_rows} rows"


def _cut(rows: pa.Table, random: object) -> list[pa.Table]:
    ends = sorted(random.randrange(rows.num_rows + 1) for _ in range(random.randrange(9)))  # type: ignore[attr-defined]
    borders = [0, *ends, rows.num_rows]
    pieces = [rows.slice(a, b - a) for a, b in itertools.pairwise(borders)]
    return [pa.concat_tables(pieces[:3]), *pieces[3:]]


def _written(folder: Path, tables: list[pa.Table]) -> str:
    writer = PartWriter(folder, NUMBERS, label="part")
    for table in tables:
        writer.write(table)
    path = folder / writer.finish().name
    return sha256_of(path)


def _orders_of_backfill(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """Any tables of any days in any order, some of them twice; then what the night does."""
    expected = build(ground / "expected")
    for seed in seeds:
        random = chance("backfill", seed)
        works = landed(ground / str(seed))
        for day in (*random.sample(DAYS, len(DAYS)), *random.choices(DAYS, k=random.randrange(3))):
            for stage in works.stages.all():
                if random.random() < 0.8 and all(works.store.manifest(t, day) for t in stage.inputs):
                    works.settle(stage, day)
        for stage in works.stages.bronze():
            for day in DAYS:
                works.build(stage, day)
        for day in sorted(outdated_days(works.stages, works.store)):
            works.build_day(day.isoformat())
        yield differences(expected, swept(works))


def _drifted_rows(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """Rows with another column, type, order or a forbidden null: refused by name, and the old ones stay."""
    store = PartitionStore(ground)
    store.overwrite(SILVER, DAY, build_of(1, 2, 3))
    for seed in seeds:
        rows = DRIFTS[seed % len(DRIFTS)]
        made = Build(
            lambda seed=seed: Digests(str(seed), "", ""), lambda writer, rows=rows: writer.rows(rows)
        )
        try:
            store.overwrite(SILVER, DAY, made)
        except SchemaMismatch as error:
            named = "number" in str(error) or "extra" in str(error)
            yield None if named and rows_of(store, SILVER) == [1, 2, 3] else f"{rows.schema}: {error}"
        else:
            yield f"{rows.schema} was taken"


def _same(digests: Digests) -> Digests:
    return digests


def _write(rows: pa.Table, writer: PartitionWriter) -> None:
    writer.rows(rows)


DRIFTS = (
    pa.table({"number": pa.array([1], pa.int32())}),
    pa.table({"number": pa.array([1.0])}),
    pa.table({"number": pa.array(["1"])}),
    pa.table({"number": pa.array([None], pa.int64())}),
    pa.table({"Number": pa.array([1])}),
    pa.table({"extra": pa.array([1]), "number": pa.array([1])}),
    pa.table({"number": pa.array([[1]])}),
    pa.table([pa.array([1]), pa.array([1])], names=["number", "number"]),
)

FAULTS = (
    Fault("environments", "41", "C", _environments, quick=2, full=len(ENVIRONMENTS)),
    Fault("orders_of_landing", "42", "C", _orders_of_landing, quick=3, full=100),
    Fault("batches", "42", "C", _batches, quick=50, full=1000),
    Fault("orders_of_backfill", "43", "C", _orders_of_backfill, quick=3, full=50),
    Fault("drifted_rows", "45", "D, refused by name", _drifted_rows, quick=len(DRIFTS), full=200),
)
