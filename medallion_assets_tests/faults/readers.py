"""Rows 13 to 15: readers of every kind against a writer that never rests, and files swept away under them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from medallion_assets.storage import catalogue, folder
from medallion_assets.storage.present import present_files
from medallion_assets.storage.store import PartitionStore, Table
from medallion_assets_tests.faults.children import Child, start
from medallion_assets_tests.faults.fault import Fault, chance
from medallion_assets_tests.storage.samples import NUMBERS, SILVER, append_of, build_of, gold, rows_of

DAYS = ("2024-09-01", "2024-09-02")
READERS = 8
READS_AT_ONCE = 100
# Readers here are done in less, and a folder of thousands of old files would slow the writer down.
SHORT_GRACE_SECONDS = 20
NAME = "gold/packed"
FEWEST_ROWS, MORE_ROWS = 20, 60

Numbers = Sequence[int]


def rows_of_generation(number: int) -> int:
    return FEWEST_ROWS + number % MORE_ROWS


def swap(root: Path, stop: Path, *, shown: bool) -> None:
    """Replaces both days again and again, every third time by another version of the table."""
    folder.GRACE_SECONDS = SHORT_GRACE_SECONDS  # type: ignore[misc]
    number = 0
    while not stop.exists():
        number += 1
        for day in DAYS:
            values = [number] * rows_of_generation(number)
            PartitionStore(root).overwrite(gold("aa" if number % 3 else "bb"), day, build_of(*values))
        if shown:
            catalogue.refresh(root, root / "warehouse.duckdb")


def not_whole(numbers: Numbers) -> str | None:
    """Each day has one generation's number, as often as that generation has rows."""
    found = list(numbers)
    generations = set(found)
    if not 1 <= len(generations) <= len(DAYS):
        return f"rows of {len(generations)} generations"
    counts = [found.count(number) / rows_of_generation(number) for number in generations]
    return None if sum(counts) == len(DAYS) and set(counts) <= {1.0, 2.0} else f"{counts} of their rows"


def by_pandas(root: Path) -> Numbers:
    import pandas as pd

    return pd.concat([pd.read_parquet(path) for path in present_files(NAME, data=root)])["number"].tolist()


def by_pyarrow(root: Path) -> Numbers:
    import pyarrow.parquet as pq

    paths = present_files(NAME, data=root)
    return [n for path in paths for n in pq.read_table(path, partitioning=None)["number"].to_pylist()]


def by_dataset(root: Path) -> Numbers:
    import pyarrow.dataset as ds

    return ds.dataset(present_files(NAME, data=root), format="parquet").to_table()["number"].to_pylist()


def by_store(root: Path) -> Numbers:
    reader = PartitionStore(root)
    version = (root / NAME / "_current").read_text()
    return [n for day in DAYS for n in rows_of(reader, gold(version), day)]


def by_duckdb(root: Path) -> Numbers:
    import duckdb

    with duckdb.connect(str(root / "warehouse.duckdb"), read_only=True) as duck:
        return [row[0] for row in duck.execute("SELECT number FROM gold.packed").fetchall()]


def by_datasets(root: Path) -> Numbers:
    import shutil
    import tempfile

    from datasets import disable_progress_bars, load_dataset

    disable_progress_bars()
    cache = tempfile.mkdtemp(dir=root.parent)
    files = list(map(str, present_files(NAME, data=root)))
    rows = load_dataset("parquet", data_files=files, split="train", cache_dir=cache)
    numbers = list(rows["number"])
    shutil.rmtree(cache)
    return numbers


def read_often(read: Callable[[Path], Numbers], root: Path, times: int, results: Path) -> None:
    """Writes down what each read violated."""
    found = [_violation(read, root) for _ in range(times)]
    results.write_text(json.dumps(found))


def _violation(read: Callable[[Path], Numbers], root: Path) -> str | None:
    try:
        return not_whole(read(root))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _swapped_under(
    read: Callable[[Path], Numbers], ground: Path, seeds: Iterable[int]
) -> Iterator[str | None]:
    left = len(list(seeds))
    root = ground / "data"
    with _swapping(root, shown=read is by_duckdb):
        while left:
            times = [min(READS_AT_ONCE, share) for share in _shares(left)]
            results = [ground / f"results-{number}" for number in range(len(times))]
            jobs = zip(times, results, strict=True)
            children = [start(read_often, read, root, count, result) for count, result in jobs]
            for child, result in zip(children, results, strict=True):
                if (code := child.wait()) != 0:
                    raise AssertionError(f"a reader ended with {code}")
                yield from json.loads(result.read_text())
            left -= sum(times)


def _shares(left: int) -> list[int]:
    """Of so many reads, each reader's."""
    shares = [left // READERS + (number < left % READERS) for number in range(READERS)]
    return [share for share in shares if share]


@contextmanager
def _swapping(root: Path, *, shown: bool) -> Iterator[Child]:
    stop = root.parent / "stop"
    # Both versions whole: the one in use is the one built last, with as many days as it has by then.
    for version in ("bb", "aa"):
        for day in DAYS:
            PartitionStore(root).overwrite(gold(version), day, build_of(*[1] * rows_of_generation(1)))
    catalogue.refresh(root, root / "warehouse.duckdb")
    writer = start(partial(swap, root, stop, shown=shown))
    try:
        yield writer
    finally:
        stop.touch()
        if (code := writer.wait()) != 0:
            raise AssertionError(f"the writer ended with {code}")


def _swept_under_a_scan(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """A scan begins; its files are superseded and swept away; it ends on its own generation."""
    place = PartitionStore(ground)
    for seed in seeds:
        random = chance("scan", seed)
        rows = random.randint(3000, 20_000)
        place.overwrite(SILVER, DAYS[0], build_of(*[seed] * rows))
        scan = place.batches(SILVER, DAYS[0])
        seen = [next(scan) for _ in range(random.randint(1, 2))]
        for number in range(random.randint(1, 3)):
            place.overwrite(SILVER, DAYS[0], build_of(-number))
            place.sweep(SILVER, grace_seconds=-1)
        found = [n for batch in (*seen, *scan) for n in batch.column("number").to_pylist()]
        yield None if found == [seed] * rows else f"{len(found)} rows of {rows}"


def _swept_beside_writers(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """Whoever sweeps with no grace at all takes nothing from those who write meanwhile."""
    seeds = list(seeds)
    stop = ground / "stop"
    sweeper = start(sweep_often, ground / "data", stop)
    writers = [start(write_own, ground / "data", number, seeds[number::4]) for number in range(4)]
    codes = [writer.wait() for writer in writers]
    stop.touch()
    codes.append(sweeper.wait())
    for seed in seeds:
        table, labels = _own(seed % 4), seeds[seed % 4 :: 4]
        held = rows_of(PartitionStore(ground / "data"), table)
        yield None if codes == [0] * 5 and sorted(held) == sorted(labels) else f"{codes}, held {held}"


def _own(number: int) -> Table:
    return Table("bronze", f"log_{number}", NUMBERS, append_only=True)


def write_own(root: Path, number: int, values: list[int]) -> None:
    for value in values:
        PartitionStore(root).append(_own(number), DAYS[0], append_of(**{f"{value:064}": [value]}))
        PartitionStore(root).overwrite(SILVER, DAYS[0], build_of(value, number))
        assert PartitionStore(root).manifest(SILVER, DAYS[0]) is not None


def sweep_often(root: Path, stop: Path) -> None:
    while not stop.exists():
        for table in (SILVER, *map(_own, range(4))):
            PartitionStore(root).sweep(table, grace_seconds=-1)


READS: dict[str, tuple[Callable[[Path], Numbers], int, int]] = {
    "pandas": (by_pandas, 400, 30_000),
    "pyarrow": (by_pyarrow, 400, 30_000),
    "pyarrow_dataset": (by_dataset, 400, 15_000),
    "the_store": (by_store, 400, 5_000),
    "duckdb": (by_duckdb, 160, 15_000),
    "datasets": (by_datasets, 16, 5_000),
}


def _fault(name: str, read: Callable[[Path], Numbers], quick: int, full: int) -> Fault:
    return Fault(f"swapped_under_{name}", "13-14", "B", partial(_swapped_under, read), quick, full)


FAULTS: tuple[Any, ...] = (
    *(_fault(name, *read) for name, read in READS.items()),
    Fault("swept_under_a_scan", "15", "B D", _swept_under_a_scan, quick=10, full=1000),
    Fault(
        "swept_beside_writers", "6, 15", "B, no live file goes", _swept_beside_writers, quick=24, full=2000
    ),
)
