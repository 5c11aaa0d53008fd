"""What trainers are given: each rollout once, none too far behind, the same again when they resume."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.release import load_stream, replay
from medallion_assets.streaming.buffering import Shelf
from medallion_assets.streaming.chunks import Buffer
from medallion_assets.streaming.errors import NoStream, NotAsServed, StreamInUse
from medallion_assets.streaming.positions import LOG, POSITION, read_log, read_position
from medallion_assets.streaming.status import StatusFile, statuses
from medallion_assets_tests.streaming.given import MAX_LAG, Broker, consume, rollout, setup_in


class Live:
    """A stream in a folder, to be fed and read in turns."""

    def __init__(self, folder: Path, **stream: Any) -> None:
        self.setup = setup_in(folder, **stream)
        self._number = 0

    def feed(self, *versions: int, polls: int = 3, run: str = "a") -> None:
        """A rollout of each version, none like those before."""
        first, self._number = self._number, self._number + len(versions)
        messages = [rollout(first + n, version=version, run=run) for n, version in enumerate(versions)]
        self.deliver(messages, polls)

    def deliver(self, messages: list[bytes], polls: int = 3) -> None:
        assert consume(self.setup, Broker({0: messages}, [polls]))

    def read(self, rows: int = 1, *, consumer: str = "t", **how: Any) -> list[list[str]]:
        steps = load_stream(self.setup.places.root, consumer=consumer, rows=rows, patience=0, **how)
        return [step.rows["source_id"].to_pylist() for step in steps]

    @property
    def folder(self) -> Path:
        return self.setup.places.consumers / "t"


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    stream = Live(tmp_path)
    stream.deliver([])
    return stream


@given(
    fed=st.lists(st.lists(st.integers(1, 12), max_size=6), max_size=5),
    rows=st.integers(1, 4),
    polls=st.integers(1, 5),
)
@settings(max_examples=25)
def test_nothing_is_served_that_is_too_far_behind(fed: list[list[int]], rows: int, polls: int) -> None:
    """Behind what had been fed by then: feeding and reading in turns."""
    with tempfile.TemporaryDirectory() as folder:
        live = Live(Path(folder))
        versions: list[int] = []
        served: list[str] = []
        live.deliver([])
        for each in fed:
            live.feed(*each, polls=polls)
            versions += each
            for step in live.read(rows):
                lags = [max(versions) - versions[int(uid.partition("-")[2])] for uid in step]
                assert max(lags) <= MAX_LAG
                assert len(step) == rows
                served += step
        assert len(set(served)) == len(served)
        fresh = [n for n, version in enumerate(versions) if max(versions) - version <= MAX_LAG]
        assert len({f"a-{n}" for n in fresh} - set(served)) < rows


def test_rows_come_in_the_order_in_which_they_were_polled(live: Live) -> None:
    live.feed(*[1] * 7, polls=2)
    assert live.read(3) == [["a-0", "a-1", "a-2"], ["a-3", "a-4", "a-5"]]
    live.feed(1, 1)
    assert live.read(3) == [["a-6", "a-7", "a-8"]]


def test_each_consumer_has_a_place_of_its_own(live: Live) -> None:
    live.feed(1, 1)
    assert live.read(consumer="t") == live.read(consumer="u") == [["a-0"], ["a-1"]]
    assert live.read(consumer="t") == []


def test_a_rollout_that_was_sent_twice_is_served_once(live: Live) -> None:
    live.deliver([rollout(0), rollout(1), rollout(0)])
    assert live.read() == [["a-0"], ["a-1"]]
    live.deliver([rollout(2), rollout(1), rollout(3)])
    assert live.read() == [["a-2"], ["a-3"]]


def test_what_became_stale_while_it_waited_for_a_step_is_left_out(live: Live) -> None:
    live.feed(1, 1)
    reading = load_stream(live.setup.places.root, consumer="t", rows=3, patience=0)
    assert list(reading) == []
    live.feed(6, 6, 6)
    assert live.read(3) == [["a-2", "a-3", "a-4"]]
    [step] = read_log(live.folder / LOG)
    assert step.skipped == {"stale_policy": 2}


def test_runs_are_behind_their_own_newest_alone(live: Live) -> None:
    live.feed(1, run="slow")
    live.feed(90, run="quick")
    assert live.read() == [["slow-0"], ["quick-1"]]


def test_a_trainer_resumes_at_its_checkpoint(live: Live) -> None:
    live.feed(*[1] * 5)
    assert live.read(2) == [["a-0", "a-1"], ["a-2", "a-3"]]
    live.feed(1)
    assert live.read(2, after=1) == [["a-2", "a-3"], ["a-4", "a-5"]]
    assert live.read(2, after=0) == [["a-0", "a-1"], ["a-2", "a-3"], ["a-4", "a-5"]]
    assert live.read(2) == []


def test_a_torn_line_of_the_log_was_never_handed_over(live: Live) -> None:
    live.feed(1, 1, 1)
    live.read()
    log = live.folder / LOG
    log.write_bytes(log.read_bytes()[:-7])
    assert live.read() == [["a-2"]]
    assert [step.step for step in read_log(log)] == [1, 2, 3]


def test_what_was_given_is_remembered_over_restarts(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medallion_assets.streaming.serve.STEPS_BETWEEN", 2)
    for version in (1, 3, 6, 8):
        live.deliver([rollout(n, version=version, run=f"v{version}") for n in range(3)])
        live.read()
    live.deliver([rollout(n, version=8, run="v8") for n in range(4)])
    assert live.read() == [["v8-3"]]


def test_the_buffer_is_freed_as_trainers_read_and_bounded_where_they_do_not(tmp_path: Path) -> None:
    live = Live(tmp_path, buffer={"rows": 20})
    live.feed(*[1] * 100, polls=5)
    chunks = Buffer(live.setup.places.buffer).chunks()
    assert sum(chunk.rows for chunk in chunks) <= 20
    [status] = statuses(live.setup.places.members)
    assert status.dropped == {"buffer_full": 100 - sum(chunk.rows for chunk in chunks)}
    given_rows = live.read()
    assert given_rows[-1] == ["a-99"]
    live.feed(1)
    assert len(Buffer(live.setup.places.buffer).chunks()) <= 2


def test_a_trainer_that_is_there_and_lags_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a while: the stream is never held up for good."""
    monkeypatch.setattr("medallion_assets.streaming.buffering.PATIENCE_SECONDS", 0.01)
    live = Live(tmp_path, buffer={"rows": 20})
    live.feed(1)
    reading = load_stream(live.setup.places.root, consumer="t", rows=1, patience=0)
    next(reading)
    live.feed(*[1] * 18)
    setup, waits = live.setup, list[int]()
    status = StatusFile(setup.places.members / "main", "live", "main")
    shelf = Shelf(setup.places, setup.config.buffer, MAX_LAG, status)
    shelf.make_room(lambda: waits.append(1))
    assert waits
    waits.clear()
    reading.close()  # type: ignore[attr-defined]
    shelf.make_room(lambda: waits.append(1))
    assert waits == []


def test_a_reader_that_was_overtaken_says_so_and_goes_on(tmp_path: Path) -> None:
    live = Live(tmp_path, buffer={"rows": 20})
    live.feed(1, 1)
    assert live.read() == [["a-0"], ["a-1"]]
    live.feed(*[1] * 60, polls=10)
    assert live.read()[0] != ["a-2"]
    position = read_position(live.folder / POSITION)
    assert position is not None
    assert position.skipped["missed_chunks"] > 0


def test_an_emptied_buffer_begins_anew(live: Live) -> None:
    live.feed(*[1] * 30)
    live.read()
    for chunk in Buffer(live.setup.places.buffer).chunks():
        chunk.path.unlink()
    live.feed(1)
    assert live.read() == [["a-30"]]


def test_what_killed_processes_were_writing_is_swept(live: Live) -> None:
    live.feed(1)
    live.read()
    orphans = [folder / ".tmp-0123" for folder in (live.setup.places.buffer, live.folder)]
    for orphan in orphans:
        orphan.write_bytes(b"half")
    live.feed(1)
    live.read()
    assert [orphan.exists() for orphan in orphans] == [False, False]


def test_two_processes_do_not_read_under_one_name(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medallion_assets.streaming.serve.TRIES", 1)
    live.feed(1, 1)
    first = load_stream(live.setup.places.root, consumer="t", rows=1, patience=0)
    next(first)
    with pytest.raises(StreamInUse, match="'t' is read by another process"):
        live.read()


def test_a_stream_that_is_not_there_is_told(live: Live) -> None:
    with pytest.raises(NoStream, match="streams there: live"):
        next(load_stream(live.setup.places.root.with_name("alive"), consumer="t", rows=1))


def test_rows_that_come_out_otherwise_are_not_replayed(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    live.feed(1)
    live.read()
    monkeypatch.setattr("medallion_assets.curate.reward.verify", lambda *_: 0.25)
    with pytest.raises(NotAsServed, match="comes out otherwise"):
        list(replay(live.setup.places.root, consumer="t"))


def test_rows_that_are_gone_are_not_replayed(live: Live) -> None:
    live.feed(1)
    live.read()
    for export in Path(live.setup.plan.landing).rglob("*.jsonl"):
        export.unlink()
    with pytest.raises(NotAsServed, match="neither in the landing folder"):
        list(replay(live.setup.places.root, consumer="t"))


def test_rows_have_the_columns_of_the_unit(live: Live) -> None:
    live.feed(1)
    [step] = load_stream(live.setup.places.root, consumer="t", rows=1, patience=0)
    assert isinstance(step.rows, pa.Table)
    assert step.rows.schema.metadata is None
    assert {"record_id", "prompt", "completion", "reward", "policy_version"} <= set(step.rows.column_names)
    assert not {"source", "line", "chunk", "stream_offset"} & set(step.rows.column_names)
