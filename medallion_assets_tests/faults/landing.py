"""Rows 27 to 30 and 35: files that grow, change, vanish or come again while they are read, and wrong clocks.

Belongs here: a feed of one source too. Does not: what is no plain file, or has an odd name (strangers.py).
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from unittest.mock import patch

from medallion_assets.extract import inventory
from medallion_assets.extract.ingest import ExportChanged
from medallion_assets.extract.inventory import Inventory
from medallion_assets.extract.stage import BronzeStage
from medallion_assets.storage import files
from medallion_assets.storage.store import PartitionStore
from medallion_assets_tests.faults.fault import Fault, chance
from medallion_assets_tests.pipeline.works import LONG_AGO

DAY = "2024-09-01"
SETTLE_SECONDS = 0.06
PAUSE_SECONDS = 0.01
TEN_YEARS = timedelta(days=3652)


class Feed:
    """One source with its landing folder and its bronze, both empty."""

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self.landing = folder / "landing"
        self.landing.mkdir(parents=True)
        self.stage = BronzeStage("feed", self.landing)
        self.store = PartitionStore(folder / "data")

    def drop(self, file: str, content: bytes) -> Path:
        path = self.landing / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (LONG_AGO, LONG_AGO))
        return path

    def take(self, seen: Inventory | None = None) -> Inventory:
        """What a run does with all that lies there, or with what it saw before."""
        seen = seen or self.stage.inventory(self.store)
        keys = [day.isoformat() for day in seen.by_date()]
        for key, made in self.stage.builds(self.store, keys, seen).items():
            self.store.append(self.stage.table, key, made)
        return seen

    def texts(self) -> list[str]:
        """The raw records of all days, sorted."""
        table = self.stage.table
        batches = (b for key in self.store.keys(table) for b in self.store.batches(table, key, ["raw"]))
        return sorted(text for batch in batches for text in batch["raw"].to_pylist())


def lines(random: Random, count: int) -> list[bytes]:
    return [b'{"n": %d, "text": "%s"}' % (n, b"x" * random.randrange(200)) for n in range(count)]


def texts_of(records: Iterable[bytes]) -> list[str]:
    return sorted(record.decode() for record in records)


def _growing(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """A writer that keeps the file open, or opens it again and again, while it is looked for all the time."""
    for seed in seeds:
        random = chance("growing", seed)
        feed, records = Feed(ground / "feed"), lines(random, random.randint(2, 12))
        write = (_write_open, _write_by_pieces)[seed % 2]
        writer = threading.Thread(target=write, args=(feed.landing / f"{DAY}.jsonl", records))
        partial: list[list[str]] = []
        with patch.object(inventory, "SETTLE_SECONDS", SETTLE_SECONDS):
            writer.start()
            while not feed.texts():
                feed.take()
                partial.append(feed.texts())
                time.sleep(PAUSE_SECONDS / 2)
            writer.join()
            feed.take()
        wanted = texts_of(records)
        yield None if feed.texts() == wanted and partial[-1] == wanted else f"{len(partial[-1])} were taken"


def _write_open(path: Path, records: list[bytes]) -> None:
    """Longer without a change than files are left to settle, but open."""
    with path.open("wb") as file:
        for record in records:
            file.write(record + b"\n")
            file.flush()
            time.sleep(SETTLE_SECONDS * 1.5 if record is records[0] else 0)


def _write_by_pieces(path: Path, records: list[bytes]) -> None:
    for record in records:
        with path.open("ab") as file:
            file.write(record + b"\n")
        time.sleep(PAUSE_SECONDS)


def _rewritten(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """Other bytes between the look and the reading, or in the middle of it: never a mixture of both."""
    for seed in seeds:
        random = chance("rewritten", seed)
        feed, old, new = (
            Feed(ground / "feed"),
            lines(random, 400),
            lines(random, random.choice((400, 500, 3))),
        )
        path = feed.drop(f"{DAY}.jsonl", b"\n".join(old))
        way = random.choice((_anew, _in_place, _by_renaming))
        if seed % 2:
            seen = feed.stage.inventory(feed.store)
            way(path, b"\n".join(new))
            first = _outcome(feed, seen)
        else:
            with patch.object(files, "COPY_CHUNK_BYTES", 512), _at_write(3, way, path, b"\n".join(new)):
                first = _outcome(feed, None)
        os.utime(path, (LONG_AGO, LONG_AGO))
        feed.take()
        found = feed.texts()
        allowed = [texts_of([*(old if first == "taken" else ()), *new])] + [texts_of(new)] * (old == new)
        yield None if found in allowed else f"{way.__name__}, {first}: {len(found)} records"


def _outcome(feed: Feed, seen: Inventory | None) -> str:
    try:
        feed.take(seen)
    except ExportChanged:
        return "refused"
    return "taken"


def _anew(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _in_place(path: Path, content: bytes) -> None:
    with path.open("r+b") as file:
        file.write(content)
        file.truncate()


def _by_renaming(path: Path, content: bytes) -> None:
    path.with_name(".new").write_bytes(content)
    path.with_name(".new").rename(path)


class _at_write:  # noqa: N801  # a context manager
    """Does something to a file just before the nth piece of its copy is written."""

    def __init__(self, nth: int, way: Callable[[Path, bytes], None], path: Path, content: bytes) -> None:
        self._left, self._do = nth, lambda: way(path, content)
        self._plain = files.HashingFile.write

    def __enter__(self) -> None:
        def write(file: files.HashingFile, data: bytes) -> int:
            self._left -= 1
            if self._left == 0:
                self._do()
            return self._plain(file, data)

        files.HashingFile.write = write  # type: ignore[method-assign]

    def __exit__(self, *error: object) -> None:
        files.HashingFile.write = self._plain  # type: ignore[method-assign]


def _vanished(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """Some files go between the look and the reading; the others, and those that come back, are taken."""
    for seed in seeds:
        random = chance("vanished", seed)
        feed = Feed(ground / "feed")
        contents = {f"{DAY}/{n}.jsonl": b"\n".join(lines(random, n + 1)) for n in range(6)}
        for file, content in contents.items():
            feed.drop(file, content)
        seen = feed.stage.inventory(feed.store)
        gone = random.sample(sorted(contents), random.randint(1, 5))
        for file in gone:
            (feed.landing / file).unlink()
        with suppress(FileNotFoundError):  # the run fails, and says which file it was
            feed.take(seen)
        feed.take()
        kept = [content for file, content in contents.items() if file not in gone]
        rest = texts_of(record for content in kept for record in content.split(b"\n"))
        first = feed.texts()
        for file in gone:
            feed.drop(file, contents[file])
        feed.take()
        whole = texts_of(record for content in contents.values() for record in content.split(b"\n"))
        yield None if (first, feed.texts()) == (rest, whole) else f"{gone} went"


def _delivered_again(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """The same bytes under other names and dates, before, with and after: records once, every name known."""
    for seed in seeds:
        random = chance("again", seed)
        feed, content = Feed(ground / "feed"), b"\n".join(lines(random, 5))
        names = [f"2024-09-0{random.randint(1, 9)}/{n}.jsonl" for n in range(random.randint(2, 6))]
        told: set[str] = set()
        for file in names:
            feed.drop(file, content)
            if random.random() < 0.6:
                told.update(feed.take().redelivered)
        told.update(feed.take().redelivered)
        claims = [path for path in feed.store.root.rglob("_exports/*.json") if path.name != "_cache.json"]
        known = len(told) == len(claims) - 1 == len(names) - 1
        once = feed.texts() == texts_of(content.split(b"\n"))
        yield None if once and known else f"{len(feed.texts())} records, {len(told)} names of {len(names)}"


def _wrong_clocks(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """File times and the system's clock off by up to ten years: nothing is lost, moved or taken twice."""
    for seed in seeds:
        random = chance("clocks", seed)
        feed, records = Feed(ground / "feed"), lines(random, 8)
        days: set[str] = set()
        for number, record in enumerate(records):
            path = feed.drop(f"{number}.jsonl", record)
            when = time.time() + random.uniform(-1, 1) * TEN_YEARS.total_seconds()
            os.utime(path, (when, when))
            with _clock(random.uniform(-1, 1) * TEN_YEARS):
                days |= {day.isoformat() for day in feed.take().by_date()}
        keys = feed.store.keys(feed.stage.table)
        sound = feed.texts() == texts_of(records) and set(keys) == days
        yield None if sound else f"{len(feed.texts())} records in {keys}"


def _clock(shift: timedelta) -> object:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) + shift

    return patch.object(inventory, "datetime", Clock)


FAULTS = (
    Fault("growing_file", "27", "A, never a part of it", _growing, quick=6, full=200),
    Fault("rewritten_file", "28", "A, never a mixture", _rewritten, quick=20, full=2000),
    Fault("vanished_file", "29", "A", _vanished, quick=6, full=200),
    Fault("delivered_again", "30", "A", _delivered_again, quick=8, full=200),
    Fault("wrong_clocks", "35", "A, no export moves", _wrong_clocks, quick=4, full=200),
)
