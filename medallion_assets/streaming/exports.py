"""Lines of a stream as exports of its source, each position once whatever is delivered again.

Belongs here: names of exports, what has landed by them, and landing. Does not: the lines themselves
(conform/streamed.py), or when to land (consume.py).

<landing of the source>/<stream>/dt=<day>/<topic>@<partition>@<first offset>@<last offset>.jsonl
"""

from __future__ import annotations

import hashlib
import os
import re
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from medallion_assets.conform.streamed import Position, head_of
from medallion_assets.storage import files

MAX_LABEL = 120
NAME = re.compile(r"([^@/]+)@(\d+)@(\d+(?:-\d+)?)@(\d+(?:-\d+)?)(?:@\d+)?\.jsonl", re.ASCII)
FILES_REMEMBERED = 4
DAYS_REMEMBERED = 4
# Clocks of machines that share a landing folder differ by less.
RECENT_DAYS = 2
Order = tuple[int, int]
Key = tuple[str, int]  # label of a topic, partition


class Span(NamedTuple):
    """What an export's name says: the topic's label, its partition, its first and last offset."""

    label: str
    partition: int
    first: str
    last: str

    @property
    def orders(self) -> tuple[Order, Order]:
        return Position(self.partition, self.first).order, Position(self.partition, self.last).order

    @property
    def file(self) -> str:
        return f"{self.label}@{self.partition}@{self.first}@{self.last}.jsonl"


def label_of(topic: str) -> str:
    """The topic as part of a file's name: never hidden, never too long, and no other topic's."""
    label = quote(topic, safe="").replace("~", "%7E")
    label = f"%2E{label[1:]}" if label.startswith(".") else label
    if len(label) <= MAX_LABEL:
        return label
    return f"{label[:MAX_LABEL]}-{hashlib.sha256(topic.encode()).hexdigest()[:12]}"


def span_in(name: str) -> Span | None:
    """Of a file's name, or a path; None where it is no export of a stream."""
    found = NAME.fullmatch(name.rpartition("/")[2])
    return Span(found[1], int(found[2]), found[3], found[4]) if found else None


class Spans:
    """Where each position of one partition may be found, among files whose spans may overlap."""

    def __init__(self) -> None:
        self._firsts: list[Order] = []
        self._lasts: list[Order] = []
        self._paths: list[Path] = []
        self._furthest: list[Order] = []  # the last of all up to here

    def add(self, span: Span, path: Path) -> None:
        first, last = span.orders
        place = bisect_right(self._firsts, first)
        self._firsts.insert(place, first)
        self._lasts.insert(place, last)
        self._paths.insert(place, path)
        del self._furthest[place:]
        for each in self._lasts[place:]:
            self._furthest.append(max(each, self._furthest[-1]) if self._furthest else each)

    def around(self, order: Order) -> Iterator[Path]:
        place = bisect_right(self._firsts, order) - 1
        while place >= 0 and self._furthest[place] >= order:
            if self._lasts[place] >= order:
                yield self._paths[place]
            place -= 1


class Day:
    """The exports that landed on one day."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.spans: dict[Key, Spans] = {}
        self.hulls: dict[Key, tuple[Order, Order]] = {}

    def add(self, path: Path) -> None:
        span = span_in(path.name)
        if span is None or path.name in self.names:
            return
        self.names.add(path.name)
        key, (first, last) = (span.label, span.partition), span.orders
        self.spans.setdefault(key, Spans()).add(span, path)
        least, most = self.hulls.get(key, (first, last))
        self.hulls[key] = (min(first, least), max(last, most))


class Landed:
    """The exports of one stream as they lie in its landing folder: what a restarted consumer goes by.

    The exports are the memory: their names say where a position may be, their lines whether it is. Of days
    long past only the bounds are held, and their names are looked at where a position lies within.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._hulls: dict[str, dict[Key, tuple[Order, Order]]] = {}
        self._highest: dict[Key, Order] = {}
        self._days: OrderedDict[str, Day] = OrderedDict()
        self._read: OrderedDict[Path, dict[str, list[bytes]]] = OrderedDict()
        self._looked = ""

    def look(self) -> None:
        """Takes in what others landed; after the first look, only of recent days."""
        for folder in sorted(self.folder.glob("dt=*")):
            if folder.name >= self._looked:
                self._look_at(folder)
        self._looked = f"dt={_day(timedelta(days=RECENT_DAYS))}"

    def add(self, path: Path) -> None:
        self._day(path.parent.name).add(path)
        self._note(path.parent.name)

    def holds(self, topic: str, position: Position, line: bytes) -> bool:
        """Whether this very line has landed. At a topic that was made anew, positions hold other messages."""
        return line in self.lines_at(topic, position)

    def lines_at(self, topic: str, position: Position) -> Iterator[bytes]:
        """What landed of this position: hardly ever more than one line."""
        key, order = (label_of(topic), position.partition), position.order
        if key not in self._highest or order > self._highest[key]:
            return
        for day, hulls in reversed(self._hulls.items()):
            least, most = hulls.get(key, (order, order))
            if key in hulls and least <= order <= most:
                for path in self._day(day).spans[key].around(order):
                    yield from self._lines(path).get(position.offset, [])

    def _look_at(self, folder: Path) -> None:
        day = self._day(folder.name)
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name not in day.names:
                    day.add(folder / entry.name)
        self._note(folder.name)

    def _day(self, name: str) -> Day:
        if name not in self._days:
            self._days[name] = Day()
            if name in self._hulls:  # known, and let go
                self._look_at(self.folder / name)
            while len(self._days) > DAYS_REMEMBERED:
                self._days.popitem(last=False)
        self._days.move_to_end(name)
        return self._days[name]

    def _note(self, day: str) -> None:
        self._hulls[day] = self._days[day].hulls
        for key, (_, last) in self._hulls[day].items():
            self._highest[key] = max(last, self._highest.get(key, last))

    def _lines(self, path: Path) -> dict[str, list[bytes]]:
        if path not in self._read:
            self._read[path] = {}
            with suppress(FileNotFoundError):  # somebody has tidied up; what is not there can't be compared
                self._read[path] = by_offset(path.read_bytes().split(b"\n")[:-1])
            while len(self._read) > FILES_REMEMBERED:
                self._read.popitem(last=False)
        self._read.move_to_end(path)
        return self._read[path]


def by_offset(lines: Iterable[bytes]) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for line in lines:
        found.setdefault(head_of(line)[1].offset, []).append(line)
    return found


@dataclass(frozen=True)
class Landing:
    """What came of a landing: new exports, their rows, and lines that had landed before."""

    paths: tuple[Path, ...] = ()
    rows: int = 0
    repeated: int = 0


def land(lines: Sequence[bytes], landed: Landed, *, lock: Path, marker: str | None = None) -> Landing:
    """Each line that has not landed yet, in an export of its partition; all on the disk when it returns.

    Whoever lands holds the lock, so that of two consumers that hold a message only one lands it. `marker` is
    the file that the source waits for beside its exports.
    """
    with files.exclusive_lock(lock):
        _sweep(landed.folder)
        landed.look()
        fresh = list(_fresh(lines, landed))
        paths = []
        for (topic, partition), chosen in _by_partition(fresh).items():
            path = _written(topic, partition, chosen, landed.folder / f"dt={_day()}", marker)
            landed.add(path)
            paths.append(path)
    return Landing(tuple(paths), len(fresh), len(lines) - len(fresh))


def _fresh(lines: Sequence[bytes], landed: Landed) -> Iterator[bytes]:
    for line in dict.fromkeys(lines):
        topic, position = head_of(line)
        if not landed.holds(topic, position, line):
            yield line


def _by_partition(lines: Iterable[bytes]) -> dict[tuple[str, int], list[tuple[Position, bytes]]]:
    """In the order of their offsets, whatever order they came in."""
    found: dict[tuple[str, int], list[tuple[Position, bytes]]] = {}
    for line in lines:
        topic, position = head_of(line)
        found.setdefault((topic, position.partition), []).append((position, line))
    return {key: sorted(each, key=lambda pair: pair[0].order) for key, each in found.items()}


def _written(
    topic: str, partition: int, lines: Sequence[tuple[Position, bytes]], folder: Path, marker: str | None
) -> Path:
    files.make_folder(folder)
    if marker is not None:
        files.write_once(folder / marker, b"")
    span = Span(label_of(topic), partition, lines[0][0].offset, lines[-1][0].offset)
    content = b"".join(line + b"\n" for _, line in lines)
    path, number = folder / span.file, 1
    while not files.place_new(path, content):
        number += 1  # the same span with other lines: the topic was made anew
        path = folder / span.file.replace(".jsonl", f"@{number}.jsonl")
    return path


def _sweep(folder: Path) -> None:
    """What lies there half written while nobody else lands is a dead one's."""
    for day in (_day(), _day(timedelta(days=1))):
        for orphan in (folder / f"dt={day}").glob(f"{files.TEMPORARY_PREFIX}*"):
            orphan.unlink(missing_ok=True)


def _day(before: timedelta = timedelta()) -> str:
    return (datetime.now(UTC) - before).date().isoformat()
