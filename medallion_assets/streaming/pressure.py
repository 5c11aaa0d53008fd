"""What becomes of the buffer when trainers lag: what is removed, why, and whether to poll more slowly.

Belongs here: the decisions, as pure functions of what lies there. Does not: looking or removing
(consume.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from medallion_assets.streaming.chunks import Chunk

STALE, FULL = "stale_policy", "buffer_full"
# Of the bounds: before anything is dropped, a trainer gets time.
SLOW_FROM = 0.8
# What has to go goes in a few large steps, each of which is told on the disk.
ROOM_TO = 0.9


@dataclass(frozen=True)
class Bounds:
    rows: int
    bytes: int


@dataclass(frozen=True)
class Reader:
    """A trainer: the first chunk that it has not read to its end, and whether it is there."""

    chunk: int
    is_alive: bool


@dataclass(frozen=True)
class Removal:
    """What goes though a trainer may not have read it."""

    chunk: Chunk
    why: str


def exceeds(chunks: Sequence[Chunk], bounds: Bounds, share: float = 1.0) -> bool:
    rows, size = sum(chunk.rows for chunk in chunks), sum(chunk.bytes for chunk in chunks)
    return rows > share * bounds.rows or size > share * bounds.bytes


def is_filling(chunks: Sequence[Chunk], bounds: Bounds) -> bool:
    return exceeds(chunks, bounds, SLOW_FROM)


def read_by_all(chunks: Sequence[Chunk], readers: Sequence[Reader]) -> list[Chunk]:
    """Without any trainer nothing was read. The last chunk stays: it knows the number of the next."""
    if not readers:
        return []
    least = min(reader.chunk for reader in readers)
    return [chunk for chunk in chunks[:-1] if chunk.number < least]


def too_many(
    chunks: Sequence[Chunk],
    bounds: Bounds,
    newest: Mapping[str, int],
    highest: Callable[[Chunk], Mapping[str, int]],
    max_lag: int,
) -> list[Removal]:
    """Of a buffer beyond its bounds: what no trainer would be given any more, then the oldest."""
    left, removals = list(chunks), []
    if not exceeds(left, bounds):
        return []
    for chunk in chunks[:-1]:
        if is_stale(highest(chunk), newest, max_lag):
            left.remove(chunk)
            removals.append(Removal(chunk, STALE))
    while len(left) > 1 and exceeds(left, bounds, ROOM_TO):
        removals.append(Removal(left.pop(0), FULL))
    return removals


def is_stale(highest: Mapping[str, int], newest: Mapping[str, int], max_lag: int) -> bool:
    """Whether all of a chunk is too far behind."""
    return all(newest.get(run, version) - version > max_lag for run, version in highest.items())


def is_waited_for(chunks: Sequence[Chunk], bounds: Bounds, readers: Sequence[Reader]) -> bool:
    """Whether a trainer that is there has almost as much before it as the buffer may hold."""
    return any(
        is_filling([chunk for chunk in chunks if chunk.number >= reader.chunk], bounds)
        for reader in readers
        if reader.is_alive
    )
