"""What leaves a full buffer: what nobody would be given first, then the oldest; never the last."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.streaming.chunks import Chunk
from medallion_assets.streaming.pressure import (
    FULL,
    STALE,
    Bounds,
    Reader,
    exceeds,
    is_waited_for,
    read_by_all,
    too_many,
)

CHUNKS = st.lists(st.tuples(st.integers(1, 50), st.integers(0, 20)), min_size=1, max_size=12)


def chunks_of(rows: list[int]) -> list[Chunk]:
    return [Chunk(number, each, 10 * each, Path(f"{number}")) for number, each in enumerate(rows, start=1)]


@given(CHUNKS, st.integers(1, 200), st.integers(0, 5))
def test_a_buffer_is_within_its_bounds_afterwards(
    given_chunks: list[tuple[int, int]], rows: int, max_lag: int
) -> None:
    chunks = chunks_of([each for each, _ in given_chunks])
    versions = {number: {"run": version} for number, (_, version) in enumerate(given_chunks, start=1)}
    newest = {"run": max(version for _, version in given_chunks)}
    bounds = Bounds(rows, 10_000)
    removals = too_many(chunks, bounds, newest, lambda chunk: versions[chunk.number], max_lag)
    left = [chunk for chunk in chunks if chunk not in [each.chunk for each in removals]]
    assert chunks[-1] in left
    assert not exceeds(left, bounds) or len(left) == 1
    assert bool(removals) == (exceeds(chunks, bounds) and len(chunks) > 1)
    for each in removals:
        is_stale = newest["run"] - versions[each.chunk.number]["run"] > max_lag
        assert each.why == (STALE if is_stale else FULL)


def test_stale_chunks_leave_before_older_ones() -> None:
    chunks = chunks_of([10, 10, 10])
    versions = {1: {"run": 9}, 2: {"run": 1}, 3: {"run": 9}}
    removals = too_many(chunks, Bounds(25, 10_000), {"run": 9}, lambda c: versions[c.number], 3)
    assert [(each.chunk.number, each.why) for each in removals] == [(2, STALE)]


def test_only_what_every_trainer_has_read_is_read() -> None:
    chunks = chunks_of([1, 1, 1, 1])
    readers = [Reader(4, is_alive=True), Reader(3, is_alive=False)]
    assert [chunk.number for chunk in read_by_all(chunks, readers)] == [1, 2]
    assert read_by_all(chunks, []) == []
    assert [chunk.number for chunk in read_by_all(chunks, [Reader(9, is_alive=True)])] == [1, 2, 3]


def test_only_trainers_that_are_there_are_waited_for() -> None:
    chunks = chunks_of([10] * 9)
    bounds = Bounds(100, 10_000)
    assert is_waited_for(chunks, bounds, [Reader(1, is_alive=True)])
    assert not is_waited_for(chunks, bounds, [Reader(1, is_alive=False)])
    assert not is_waited_for(chunks, bounds, [Reader(3, is_alive=True)])
