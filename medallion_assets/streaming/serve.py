"""Rollouts as a trainer is given them: step by step, each once, none further behind its run than it may be.

Belongs here: `load_stream`, `replay`, and choosing what a step has. Does not: what consumers do (consume.py),
making rows again (replay.py). Takes pyarrow and msgspec alone. Rows are logged before they are handed over,
so whoever was killed in between finds them by their step.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from medallion_assets.roots import Roots
from medallion_assets.streaming.chunks import Buffer, Chunk, Gone, Label, fresh, label_of, read, sweep
from medallion_assets.streaming.errors import NoStream, NotAsServed, StreamInUse
from medallion_assets.streaming.memory import STEPS_BETWEEN, recalled
from medallion_assets.streaming.places import TRIES, Places, held, streams_folder
from medallion_assets.streaming.positions import (
    LOG,
    Cursor,
    Given,
    LoggedStep,
    ReaderPosition,
    StepLog,
    write_position,
)
from medallion_assets.streaming.rows import OFFSET, PARTITION, Step, served

CONSUMER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,99}", re.ASCII)
LOOK_EVERY_SECONDS = 0.05
POSITION_EVERY_SECONDS = 0.2
REPEATED, STALE, MISSED = "repeated", "stale_policy", "missed_chunks"
CHUNK, ROW, PLAN = "chunk", "row", "plan"
GIVEN = (PARTITION, OFFSET, "record_id", "rollout_key", "run", "policy_version")


def load_stream(
    name: str | Path,
    *,
    consumer: str,
    rows: int,
    after: int | None = None,
    patience: float | None = None,
) -> Iterator[Step]:
    """Steps of exactly `rows` rollouts, as they come, without end; with `patience`, until none came so long.

    `name` is a stream of the store that MEDALLION_DATA names, or the path of its folder. `consumer` names the
    trainer: its place and what it was given survive it. `after` is the last step that the model has learned
    from, as its checkpoint says: what was given since is given again, the same bytes, before anything new;
    without it, nothing is given again.

    Raises NoStream, or StreamInUse where a living process reads under the same name.
    """
    places = places_of(name)
    if not CONSUMER.fullmatch(consumer):
        raise ValueError(f"{consumer!r} is no name: letters, digits and . _ -, at most 100")
    if rows < 1:
        raise ValueError(f"a step has at least one row; got {rows}")
    folder = places.consumers / consumer
    with held(folder, tries=TRIES) as is_free:
        if not is_free:
            raise StreamInUse(f"{consumer!r} is read by another process; end it, or choose another name")
        reading = Reading(places, folder)
        if after is not None:
            # Here, since it conforms rows, which takes libraries that training environments may lack.
            from medallion_assets.streaming.replay import replayed

            yield from replayed(places, folder, first=after + 1)
        try:
            while (step := reading.next(rows, patience)) is not None:
                yield step
        finally:
            reading.close()


def replay(name: str | Path, *, consumer: str, first: int = 1, last: int | None = None) -> Iterator[Step]:
    """The steps that a consumer of the stream was given, again; whoever reads meanwhile is not disturbed.

    Raises NotAsServed where a row can't be made again as it was.
    """
    from medallion_assets.streaming.replay import replayed

    places = places_of(name)
    folder = places.consumers / consumer
    if not (folder / LOG).exists():
        raise NotAsServed(f"{consumer!r} was never given anything of {name!r}: there is no {folder / LOG}")
    return replayed(places, folder, first=first, last=last)


def places_of(name: str | Path) -> Places:
    root = Path(name).parent if isinstance(name, Path) else streams_folder(Roots.from_environment().data)
    places = Places(root / name)
    if not places.members.is_dir():
        names = sorted(path.parent.name for path in root.glob("*/members"))
        there = f"streams there: {', '.join(names)}" if names else "`medallion stream` makes one"
        raise NoStream(f"nobody has consumed a stream {places.root.name!r} into {root} yet; {there}")
    return places


class Reading:
    """One trainer's place in a stream."""

    def __init__(self, places: Places, folder: Path) -> None:
        self._buffer, self._folder = Buffer(places.buffer), folder
        sweep(folder)
        self._log = StepLog(folder)
        self._log.mend()
        self._memory = recalled(folder)
        self._cursor = self._memory.cursor  # of what is to be read next
        self._waiting: pa.Table | None = None  # read, and not given yet
        self._waiting_keys: set[str] = set()
        self._looked_at: Label | None = None  # what all that waits was last held against
        self._skipped: Counter[str] = Counter()
        self._told = 0.0
        self._tell(at_once=True)

    def next(self, rows: int, patience: float | None) -> Step | None:
        """What is given was looked at against the newest versions that were known the moment before."""
        end = None if patience is None else time.monotonic() + patience
        while True:
            chunks = self._buffer.chunks()
            label = self._buffer.label(chunks)
            if label is not None:
                self._drop_stale(label)
                if self._count() >= rows:
                    return self._given(rows, label)
                if self._read_next(chunks, label):
                    continue
            self._tell()
            if end is not None and time.monotonic() >= end:
                return None
            time.sleep(LOOK_EVERY_SECONDS)

    def close(self) -> None:
        self._tell(at_once=True)
        self._memory.keep(self._folder)

    def _count(self) -> int:
        return 0 if self._waiting is None else self._waiting.num_rows

    def _read_next(self, chunks: list[Chunk], label: Label) -> bool:
        """Whether a chunk was there to be read."""
        if chunks and self._cursor.chunk > chunks[-1].number + 1:
            self._cursor = Cursor(0, 0)  # somebody emptied the folder, and numbers began anew
        chunk = next((each for each in chunks if each.number >= self._cursor.chunk), None)
        if chunk is None:
            return False
        try:
            table, plan = read(chunk), label_of(chunk).plan
        except Gone:
            return True  # the next look finds what is left
        if chunk.number > self._cursor.chunk > 0:
            self._skipped[MISSED] += chunk.number - self._cursor.chunk
        first = self._cursor.row if chunk.number == self._cursor.chunk else 0
        self._cursor = Cursor(chunk.number + 1, 0)
        self._wait_with(_placed(table, chunk.number, plan).slice(first), label)
        return True

    def _wait_with(self, table: pa.Table, label: Label) -> None:
        keys, runs = (table.column(name).to_pylist() for name in ("rollout_key", "run"))
        chosen = []
        for key, run, is_fresh in zip(keys, runs, fresh(table, label), strict=True):
            is_new = key not in self._waiting_keys and not self._memory.has(run, key)
            chosen.append(is_new and is_fresh)
            if chosen[-1]:
                self._waiting_keys.add(key)
            else:
                self._skipped[STALE if is_new else REPEATED] += 1
        new = table.filter(pa.array(chosen, pa.bool_()))
        self._waiting = new if self._waiting is None else pa.concat_tables([self._waiting, new])

    def _drop_stale(self, label: Label) -> None:
        """What was fresh when it was read, and waited too long."""
        if self._waiting is None or label == self._looked_at:
            return
        self._looked_at = label
        kept = fresh(self._waiting, label)
        if not all(kept):
            self._skipped[STALE] += len(kept) - sum(kept)
            self._waiting = self._waiting.filter(pa.array(kept, pa.bool_()))
            self._waiting_keys = set(self._waiting.column("rollout_key").to_pylist())

    def _given(self, rows: int, label: Label) -> Step:
        assert self._waiting is not None  # noqa: S101
        table, self._waiting = self._waiting.slice(0, rows), self._waiting.slice(rows)
        given = tuple(Given(*row) for row in zip(*(table.column(n).to_pylist() for n in GIVEN), strict=True))
        self._waiting_keys -= {each.rollout_key for each in given}
        step = LoggedStep(
            step=self._memory.step + 1,
            at=time.time(),
            plans=tuple(sorted(set(table.column(PLAN).to_pylist()))),
            cursor=Cursor(table.column(CHUNK)[-1].as_py(), table.column(ROW)[-1].as_py() + 1),
            newest={run: label.newest[run] for run in sorted({g.run for g in given} & label.newest.keys())},
            given=given,
            skipped={reason: number for reason, number in sorted(self._skipped.items()) if number},
        )
        self._memory.learn(step, self._log.append(step))
        self._skipped.clear()
        if step.step % STEPS_BETWEEN == 0:
            self._memory.forget(label.newest, label.max_lag)
            self._memory.keep(self._folder)
        self._tell()
        return Step(step.step, served(table))

    def _tell(self, *, at_once: bool = False) -> None:
        """Where we are, for those who free the buffer."""
        if at_once or time.monotonic() - self._told >= POSITION_EVERY_SECONDS:
            self._told = time.monotonic()
            memory = self._memory
            skipped = dict(Counter(memory.skipped) + self._skipped)
            first = memory.cursor if self._count() else self._cursor
            position = ReaderPosition(
                chunk=first.chunk,
                row=first.row,
                step=memory.step,
                served=memory.served,
                skipped=skipped,
                at=time.time(),
            )
            write_position(self._folder, position)


def _placed(table: pa.Table, number: int, plan: str) -> pa.Table:
    """With where each row is in the buffer, and how it was read."""
    rows = table.num_rows
    placed = table.replace_schema_metadata()
    placed = placed.append_column(CHUNK, pa.repeat(pa.scalar(number, pa.int64()), rows))
    placed = placed.append_column(ROW, pa.array(range(rows), pa.int64()))
    return placed.append_column(PLAN, pa.repeat(plan, rows))
