"""The consumer's side of the buffer: what is put there, and what has to leave for it.

Belongs here: looking at chunks and readers, and carrying out what pressure.py decides. Does not: the side of
trainers (serve.py). Nothing is removed unread before why and how much is on the disk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa

from medallion_assets.config.stream import StreamBufferConfig
from medallion_assets.streaming import pressure
from medallion_assets.streaming.chunks import (
    Buffer,
    Chunk,
    Gone,
    Label,
    Versions,
    fresh,
    highest_in,
    highest_of,
    risen,
)
from medallion_assets.streaming.places import Places, held
from medallion_assets.streaming.positions import POSITION, read_position
from medallion_assets.streaming.pressure import Bounds, Reader
from medallion_assets.streaming.status import StatusFile

# With a trainer that lags, a poll waits for it so long; the stream is never held up for good.
PATIENCE_SECONDS = 2.0


class Shelf:
    """Where rows wait for trainers."""

    def __init__(self, places: Places, bounds: StreamBufferConfig, max_lag: int, status: StatusFile) -> None:
        self._places, self._status = places, status
        self._buffer, self._max_lag = Buffer(places.buffer), max_lag
        self._bounds = Bounds(bounds.rows, bounds.bytes)
        self._highest: dict[int, Versions] = {}

    def sweep(self) -> None:
        with self._buffer.publishing():
            self._buffer.sweep()

    def put(self, rows: pa.Table, plan: str) -> None:
        """Those within the policy lag, for trainers to read; what is too much goes."""
        with self._buffer.publishing():
            last = self._buffer.label()
            newest = risen(last.newest if last is not None else {}, highest_in(rows))
            label = Label(newest, self._max_lag, plan)
            chosen = rows.filter(pa.array(fresh(rows, label), pa.bool_()))
            if stale := rows.num_rows - chosen.num_rows:
                self._status.drop(pressure.STALE, stale)
            if chosen.num_rows:
                self._buffer.publish(chosen, label)
                self._status.status.offered += chosen.num_rows
            self._remove_what_must(newest)

    def make_room(self, wait: Callable[[], None]) -> None:
        """What all have read goes; a trainer that is there and lags is waited for, within reason."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            with self._buffer.publishing():
                chunks = self._buffer.chunks()
                for chunk in pressure.read_by_all(chunks, self._readers(alive=False)):
                    self._buffer.remove(chunk)
                    chunks.remove(chunk)
            is_full = pressure.is_filling(chunks, self._bounds)
            if not is_full or time.monotonic() >= end:
                return
            if not pressure.is_waited_for(chunks, self._bounds, self._readers(alive=True)):
                return
            wait()

    def _remove_what_must(self, newest: Mapping[str, int]) -> None:
        chunks = self._buffer.chunks()
        removals = pressure.too_many(chunks, self._bounds, newest, self._highest_of, self._max_lag)
        readers = self._readers(alive=False) if removals else []
        for removal in removals:
            if not readers or any(each.chunk <= removal.chunk.number for each in readers):
                self._status.drop(removal.why, removal.chunk.rows)
        if removals:
            self._status.tell_dropped()
        for removal in removals:
            self._buffer.remove(removal.chunk)
        numbers = {chunk.number for chunk in chunks}
        self._highest = {number: each for number, each in self._highest.items() if number in numbers}

    def _highest_of(self, chunk: Chunk) -> Versions:
        if chunk.number not in self._highest:
            try:
                self._highest[chunk.number] = highest_of(chunk)
            except Gone:
                return {}
        return self._highest[chunk.number]

    def _readers(self, *, alive: bool) -> list[Reader]:
        """With `alive`, whether each is there: its folder is held by a living process."""
        found = []
        for path in sorted(self._places.consumers.glob(f"*/{POSITION}")):
            position = read_position(path)
            if position is not None:
                found.append(Reader(position.chunk, alive and _is_held(path.parent)))
        return found


def _is_held(folder: Path) -> bool:
    with held(folder) as is_free:
        return not is_free
