"""What was served, served again: the rows of each logged step, made anew from the lines that landed.

Belongs here: finding lines by their positions. Does not: making rows of lines (prepared.py). A row
is the same if its record id is, which is the hash of what it holds; anything else is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import pyarrow as pa

from medallion_assets.conform.streamed import Position, head_of
from medallion_assets.schemas import BRONZE
from medallion_assets.storage.manifest import Part
from medallion_assets.storage.parts import read_batches
from medallion_assets.storage.store import PartitionStore, Table
from medallion_assets.streaming.errors import NotAsServed
from medallion_assets.streaming.exports import Landed, Spans, by_offset, label_of, span_in
from medallion_assets.streaming.journal import NAME as JOURNAL
from medallion_assets.streaming.journal import lines_in
from medallion_assets.streaming.places import Places
from medallion_assets.streaming.positions import LOG, LoggedStep, read_log
from medallion_assets.streaming.prepared import Plan, prepared
from medallion_assets.streaming.rows import OFFSET, PARTITION, Step, served

Found = dict[Position, list[bytes]]


def replayed(places: Places, folder: Path, *, first: int, last: int | None = None) -> Iterator[Step]:
    """Those from `first` on; where the log ends before, there are none."""
    sources: dict[str, Lines] = {}
    for step in read_log(folder / LOG):
        if step.step < first:
            continue
        if last is not None and step.step > last:
            return
        tables = [_rows(step, plan, places, sources) for plan in _plans(step, places)]
        yield Step(step.step, _in_order(step, tables))


def _plans(step: LoggedStep, places: Places) -> list[Plan]:
    found = []
    for digest in step.plans:
        path = places.plans / f"{digest}.json"
        try:
            found.append(msgspec.json.decode(path.read_bytes(), type=Plan))
        except FileNotFoundError:
            raise NotAsServed(
                f"how step {step.step} was read is not known any more: {path} is gone"
            ) from None
    return found


def _rows(step: LoggedStep, plan: Plan, places: Places, sources: dict[str, Lines]) -> pa.Table:
    """Of every line that ever stood at one of the positions."""
    if plan.digest not in sources:
        sources[plan.digest] = Lines(plan, places)
    found = sources[plan.digest].at([each.position for each in step.given])
    return prepared([line for lines in found.values() for line in lines], plan).rows


def _in_order(step: LoggedStep, tables: Sequence[pa.Table]) -> pa.Table:
    rows = pa.concat_tables(tables)
    names = (PARTITION, OFFSET, "record_id")
    places = {
        key: place
        for place, key in enumerate(zip(*(rows.column(name).to_pylist() for name in names), strict=True))
    }
    wanted = [(each.partition, each.offset, each.record_id) for each in step.given]
    if missing := [each for each in wanted if each not in places]:
        raise NotAsServed(_why_not(step, missing, {key[:2] for key in places}))
    return served(rows.take(pa.array([places[each] for each in wanted], pa.int64())))


def _why_not(step: LoggedStep, missing: Sequence[tuple[int, str, str]], there: set[tuple[int, str]]) -> str:
    partition, offset, record_id = missing[0]
    head = f"{len(missing)} of the {len(step.given)} rows of step {step.step} can't be had as they were: "
    one = f"partition {partition}, offset {offset} (record {record_id})"
    if (partition, offset) in there:
        return head + f"{one} comes out otherwise. Replay with the version of the code that served it"
    return head + f"{one} is neither in the landing folder, nor in a journal, nor in bronze"


class Lines:
    """Lines by their positions: as exports, as they wait in journals, as bronze has them."""

    def __init__(self, plan: Plan, places: Places) -> None:
        self._plan, self._places = plan, places
        self._landed = Landed(Path(plan.landing))
        self._landed.look()
        self._bronze = BronzeLines(PartitionStore(plan.store), plan)

    def at(self, positions: Sequence[Position]) -> Found:
        """Where a line lies in several places, once."""
        found: Found = {}
        for look in (self._as_landed, self._in_journals, self._landed_since, self._in_bronze):
            missing = [position for position in positions if position not in found]
            found.update(look(missing) if missing else {})
        return found

    def _as_landed(self, positions: Sequence[Position]) -> Found:
        pairs = ((each, self._landed.lines_at(self._plan.topic, each)) for each in _by_place(positions))
        return {position: lines for position, each in pairs if (lines := list(dict.fromkeys(each)))}

    def _landed_since(self, positions: Sequence[Position]) -> Found:
        self._landed.look()
        return self._as_landed(positions)

    def _in_journals(self, positions: Sequence[Position]) -> Found:
        wanted, found = set(positions), Found()
        for path in sorted(self._places.members.glob(f"*/{JOURNAL}")):
            for line in lines_in(path):
                topic, position = head_of(line)
                if topic == self._plan.topic and position in wanted:
                    found.setdefault(position, []).append(line)
        return {position: list(dict.fromkeys(lines)) for position, lines in found.items()}

    def _in_bronze(self, positions: Sequence[Position]) -> Found:
        pairs = ((each, self._bronze.at(each)) for each in _by_place(positions))
        return {position: lines for position, lines in pairs if lines}


class BronzeLines:
    """The stream's lines in bronze, for where exports have been tidied away."""

    def __init__(self, store: PartitionStore, plan: Plan) -> None:
        self._store, self._label, self._stream = store, label_of(plan.topic), plan.stream
        self._table = Table("bronze", plan.source, BRONZE, append_only=True)
        self._spans: Mapping[int, Spans] | None = None
        self._parts: dict[Path, tuple[str, Part]] = {}
        self._read: tuple[Path, dict[str, list[bytes]]] | None = None

    def at(self, position: Position) -> list[bytes]:
        if self._spans is None:
            self._spans = self._all_spans()
        spans = self._spans.get(position.partition)
        paths = spans.around(position.order) if spans is not None else ()
        return list(dict.fromkeys(line for path in paths for line in self._lines(path, position)))

    def _all_spans(self) -> dict[int, Spans]:
        found: dict[int, Spans] = {}
        for key, manifest in self._store.manifests(self._table, upto="9999"):
            told = manifest.summary.get("exports", {})
            for part in manifest.parts:
                file = told[part.export]["file"] if part.export in told else ""
                span = span_in(file) if file.startswith(f"{self._stream}/") else None
                if span is not None and span.label == self._label:
                    path = self._store.folder(self._table, key) / part.name
                    self._parts[path] = key, part
                    found.setdefault(span.partition, Spans()).add(span, path)
        return found

    def _lines(self, path: Path, position: Position) -> list[bytes]:
        if self._read is None or self._read[0] != path:
            here = self._store.path(self._table, *self._parts[path])
            self._read = (path, by_offset(_raw_lines(here)))
        return self._read[1].get(position.offset, [])


def _raw_lines(path: Path) -> Iterator[bytes]:
    for batch in read_batches([path], ["raw", "defect"]):
        for row in batch.to_pylist():
            if row["raw"] is not None and row["defect"] is None:
                yield row["raw"].encode()


def _by_place(positions: Iterable[Position]) -> list[Position]:
    """So that each file is read once."""
    return sorted(positions, key=lambda each: (each.partition, each.order))
