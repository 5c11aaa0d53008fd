"""The buffer between consumers and trainers: files of rollouts, numbered in the order in which they are read.

Belongs here: their names and layout, publishing and removing. Does not: which to remove (pressure.py), or
whose turn it is (serve.py). Files, because they survive every process, can be looked at, and are read by a
trainer on another machine as well: a look at a folder costs less than the connection that it replaces.

buffer/<number>-<rows>.arrow, whose metadata has the newest policy version of each run up to there
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec
import pyarrow as pa

from medallion_assets.curate.lag import versions_behind
from medallion_assets.storage import files

NAME = re.compile(r"(\d{12})-(\d+)\.arrow", re.ASCII)
NEWEST, HIGHEST, PLAN, MAX_LAG = b"newest", b"highest", b"plan", b"max_policy_lag"
# Runs that were heard of last: what was forgotten of an older one begins anew.
RUNS_REMEMBERED = 1000
Versions = dict[str, int]


class Chunk(NamedTuple):
    """A file of the buffer."""

    number: int
    rows: int
    bytes: int
    path: Path


class Label(NamedTuple):
    """What a chunk says beside its rows: by run, the newest policy version that any consumer had seen then;
    how far behind it rows may be; and how they were read."""

    newest: Versions
    max_lag: int
    plan: str


class Gone(Exception):
    """The chunk was removed before it could be read."""


class Buffer:
    """The folder of chunks. Numbers never come again, since the last chunk is never removed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def chunks(self) -> list[Chunk]:
        """By number."""
        found = []
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    if name := NAME.fullmatch(entry.name):
                        size = entry.stat().st_size
                        found.append(Chunk(int(name[1]), int(name[2]), size, Path(entry.path)))
        except FileNotFoundError:
            pass
        return sorted(found)

    def label(self, chunks: list[Chunk] | None = None) -> Label | None:
        """Of the last chunk; None where there is none."""
        for chunk in reversed(self.chunks() if chunks is None else chunks):
            with suppress(Gone):
                return label_of(chunk)
        return None

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """One consumer at a time adds or removes."""
        with files.exclusive_lock(self.folder.parent / "buffer.lock"):
            yield

    def publish(self, rows: pa.Table, label: Label) -> Chunk:
        """Behind all others; within publishing()."""
        chunks = self.chunks()
        number = chunks[-1].number + 1 if chunks else 1
        path = self.folder / f"{number:012d}-{rows.num_rows}.arrow"
        metadata = {
            NEWEST: msgspec.json.encode(dict(list(label.newest.items())[-RUNS_REMEMBERED:])),
            HIGHEST: msgspec.json.encode(highest_in(rows)),
            MAX_LAG: b"%d" % label.max_lag,
            PLAN: label.plan.encode(),
        }
        sink = pa.BufferOutputStream()
        table = rows.replace_schema_metadata(metadata)
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table.combine_chunks())
        content = sink.getvalue()
        files.make_folder(self.folder)
        files.replace_atomically(path, content)
        return Chunk(number, rows.num_rows, content.size, path)

    def remove(self, chunk: Chunk) -> None:
        chunk.path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """What a killed consumer was writing; within publishing()."""
        sweep(self.folder)


def sweep(folder: Path) -> None:
    """What lies there half written, in a folder where nobody writes meanwhile."""
    for path in folder.glob(f"{files.TEMPORARY_PREFIX}*"):
        path.unlink(missing_ok=True)


def read(chunk: Chunk) -> pa.Table:
    try:
        with pa.OSFile(str(chunk.path)) as file:
            return pa.ipc.open_file(file).read_all()
    except FileNotFoundError as error:
        raise Gone from error


def label_of(chunk: Chunk) -> Label:
    found = _metadata(chunk)
    newest = msgspec.json.decode(found[NEWEST], type=Versions)
    return Label(newest, int(found[MAX_LAG]), found[PLAN].decode())


def highest_of(chunk: Chunk) -> Versions:
    """By run, the newest policy version among its rows."""
    return msgspec.json.decode(_metadata(chunk)[HIGHEST], type=Versions)


def _metadata(chunk: Chunk) -> dict[bytes, bytes]:
    try:
        with pa.memory_map(str(chunk.path)) as file:
            found: dict[bytes, bytes] = pa.ipc.open_file(file).schema.metadata
            return found
    except FileNotFoundError as error:
        raise Gone from error


def highest_in(rows: pa.Table) -> Versions:
    found: Versions = {}
    columns = (rows.column(name).to_pylist() for name in ("run", "policy_version"))
    for run, version in zip(*columns, strict=True):
        found[run] = max(version, found.get(run, version))
    return found


def fresh(rows: pa.Table, label: Label) -> list[bool]:
    """By row, whether its policy is near enough to the newest of its run."""
    return [behind <= label.max_lag for behind in versions_behind(rows, label.newest)]


def risen(newest: Versions, seen: Mapping[str, int]) -> Versions:
    """With what was seen now; the runs heard of last stand last."""
    rest = {run: version for run, version in newest.items() if run not in seen}
    return rest | {run: max(version, newest.get(run, version)) for run, version in seen.items()}
