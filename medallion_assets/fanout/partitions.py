"""The partitions of one table in one run: built one after the other here, or several at once in workers.

Belongs here: which is built where, and writing one. Does not: backends, ranges within one (rows.py), or what
a run tells of them (storage/io_manager.py). No partition of a table is made of another of the same table.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from medallion_assets.fanout.backend import LOCAL, Backend, FanoutError, Task
from medallion_assets.fanout.call import this_place
from medallion_assets.fanout.rows import LARGE_ROWS, spread_over
from medallion_assets.progress import Progress, heard_by
from medallion_assets.storage.attempts import counted_overwrite
from medallion_assets.storage.memory import kept_for_the_next_batch
from medallion_assets.storage.place import Place
from medallion_assets.storage.store import Append, Build, PartitionStore, Table, Written

# How to make a partition, as a value that another process can take.
Made = Callable[[PartitionStore], Build | Append]


class StoreNotShared(FanoutError):
    """A worker that has something else where the store lies."""

    def __init__(self, store: str) -> None:
        super().__init__(
            f"{this_place()} does not see the store in {store}: every node needs the same storage there"
        )


@dataclass(frozen=True)
class Fanout:
    """Where a run's partitions are built, and from how many rows on one is made by several workers."""

    backend: Backend = LOCAL
    large_rows: int = LARGE_ROWS


@dataclass(frozen=True)
class Partitions:
    """What a run is to build of a table. They `stay` in this process where what they are made of does."""

    store: PartitionStore
    table: Table
    made: Mapping[str, Made]
    stay: bool = False

    def written(self, fanout: Fanout, progress: Progress) -> Generator[tuple[str, Written], None, None]:
        """Each in order, once it is written."""
        for are_here, group in groupby(sorted(self.made), partial(self._is_here, fanout)):
            keys = list(group)
            if are_here or len(keys) == 1:
                yield from self._written_here(keys, fanout, progress)
            else:
                yield from self._written_elsewhere(keys, fanout.backend, progress)

    def _is_here(self, fanout: Fanout, key: str) -> bool:
        """A large one is, and its rows are spread over the workers instead."""
        if self.stay or fanout.backend is LOCAL:
            return True
        build = self.made[key](self.store)
        return isinstance(build, Build) and build.rows() >= fanout.large_rows

    def _written_here(
        self, keys: Sequence[str], fanout: Fanout, progress: Progress
    ) -> Generator[tuple[str, Written], None, None]:
        for key in keys:
            progress.start(key)
            with kept_for_the_next_batch(), heard_by(progress), _spread(fanout):
                written = write(self.store, self.table, key, self.made[key])
            yield key, written

    def _written_elsewhere(
        self, keys: Sequence[str], backend: Backend, progress: Progress
    ) -> Generator[tuple[str, Written], None, None]:
        with _mark(self.store.place if backend.is_elsewhere else None) as mark:
            tasks = [
                Task(
                    f"{self.table.full_name} {key}",
                    _Partition(self.store, self.table, key, self.made[key], mark),
                )
                for key in keys
            ]
            with closing(backend.map(_written, tasks, listen=progress.at_work)) as results:
                for key, written in zip(keys, results, strict=True):
                    progress.advance(written.manifest.rows + written.manifest.rejected_rows)
                    yield key, written


@contextmanager
def _spread(fanout: Fanout) -> Iterator[None]:
    if fanout.backend is LOCAL:
        yield
        return
    with spread_over(fanout.backend, least_rows=fanout.large_rows):
        yield


@dataclass(frozen=True)
class _Partition:
    """A task. `mark` names a record of the store that the worker must see."""

    store: PartitionStore
    table: Table
    key: str
    made: Made
    mark: str | None


def _written(task: _Partition) -> Written:
    """Called in the worker."""
    if task.mark is not None and task.store.place.read(task.mark) is None:
        raise StoreNotShared(task.store.place.shown())
    with kept_for_the_next_batch():
        return write(task.store, task.table, task.key, task.made)


def write(store: PartitionStore, table: Table, key: str, made: Made) -> Written:
    build = made(store)
    if isinstance(build, Append):
        return store.append(table, key, build)
    return counted_overwrite(store, table, key, build)


@contextmanager
def _mark(place: Place | None) -> Iterator[str | None]:
    """The name of a record that only this store has."""
    if place is None:
        yield None
        return
    mark = f".scratch/seen-{secrets.token_hex(8)}"
    place.replace(mark, b"")
    try:
        yield mark
    finally:
        place.remove(mark)
