"""Consumers that die anywhere: every message lands once, and trainers are given every rollout once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.conform.streamed import Position, line_of
from medallion_assets.streaming.brokers import Lag, Limit, Membership, Message
from medallion_assets.streaming.consume import Consumer, Setup
from medallion_assets.streaming.errors import BrokerDown
from medallion_assets.streaming.serve import load_stream, replay
from medallion_assets.streaming.status import statuses
from medallion_assets.units import Rollout
from medallion_assets_tests.streaming.given import (
    Broker,
    consume,
    landed_lines,
    landed_positions,
    rollout,
    setup_in,
)

ROWS = st.integers(1, 7)


@contextmanager
def fresh(**stream: object) -> Iterator[Setup]:
    with tempfile.TemporaryDirectory() as folder:
        yield setup_in(Path(folder), **stream)


@given(
    counts=st.lists(st.integers(0, 9), min_size=1, max_size=3),
    polls=st.lists(ROWS, min_size=1, max_size=6),
    deaths=st.lists(st.integers(0, 40), max_size=5),
    batch=st.integers(1, 8),
    disorder=st.booleans(),
)
@settings(max_examples=40)
def test_every_message_lands_once_wherever_consumers_die(
    counts: list[int], polls: list[int], deaths: list[int], batch: int, disorder: bool
) -> None:
    messages = {
        partition: [rollout(number, run=f"run {partition}") for number in range(count)]
        for partition, count in enumerate(counts)
    }
    broker = Broker(messages, polls, disorder=disorder)
    with fresh(batch={"rows": batch}) as setup:
        for death in deaths:
            consume(setup, broker, dies_at=death)
        assert consume(setup, broker)
        lines = [line_of("rl:live", *message) for message in broker.messages]
        assert sorted(landed_lines(setup)) == sorted(lines)
        assert broker.acknowledged == {message.position for message in broker.messages}
        steps = list(load_stream(setup.places.root, consumer="t", rows=1, patience=0))
        keys = [(step.rows["run"][0].as_py(), step.rows["source_id"][0].as_py()) for step in steps]
        expected = [(f"run {p}", f"run {p}-{n}") for p, count in enumerate(counts) for n in range(count)]
        assert sorted(keys) == sorted(expected)


def test_consumers_that_share_a_folder_land_each_message_once(tmp_path: Path) -> None:
    """One took what another, taken for dead, still holds; whoever lands second leaves it out."""
    setup = setup_in(tmp_path)
    broker = Broker({0: [rollout(number) for number in range(10)]})
    slow = Consumer(setup, broker.connect, member="slow", say=lambda _: None)
    slow._take(broker.poll(Limit(3, 1 << 20, 0.0)))
    other = Broker({0: [rollout(number) for number in range(10)]}, [10])
    assert consume(setup, other, member="quick")
    slow.land()
    assert landed_positions(setup) == [message.position for message in broker.messages]


@pytest.mark.parametrize("heir", ["dead", "heir"])
def test_what_a_dead_member_had_polled_is_taken_on(tmp_path: Path, heir: str) -> None:
    """By itself once it is back, or by another; whatever the broker says."""
    setup = setup_in(tmp_path)
    broker = Broker({0: [rollout(number) for number in range(4)]}, [4])
    assert not consume(setup, broker, dies_at=6, member="dead")
    assert landed_positions(setup) == []
    nothing = Broker({0: []})
    assert consume(setup, nothing, member=heir)
    assert landed_positions(setup) == [message.position for message in broker.messages]


def test_a_topic_made_anew_lands_beside_the_old_one(tmp_path: Path) -> None:
    """Same positions, other messages: nothing may be taken for delivered again."""
    setup = setup_in(tmp_path)
    for run in ("old", "new"):
        assert consume(setup, Broker({0: [rollout(number, run=run) for number in range(3)]}))
    assert len(landed_lines(setup)) == len(set(landed_lines(setup))) == 6


def test_messages_that_are_no_rollouts_land_and_hold_nothing_up(tmp_path: Path) -> None:
    setup = setup_in(tmp_path)
    bad = [b"", b"\xff\xfe", b"{", b"two\nlines", b"[1, 2]", b'{"a": 1, "a": 2}', b"[" * 200 + b"]" * 200]
    broker = Broker({0: [rollout(0), *bad, rollout(1)]}, [9])
    assert consume(setup, broker)
    assert len(landed_lines(setup)) == 9
    [status] = statuses(setup.places.members)
    assert (status.offered, status.landed, sum(status.rejected.values())) == (2, 9, 7)


def test_a_message_that_is_too_large_lands_whole_and_is_rejected(tmp_path: Path) -> None:
    setup = setup_in(tmp_path)
    small = replace(setup, plan=msgspec.structs.replace(setup.plan, record_bytes=1024))
    large = rollout(0).replace(b"####", b"#### " + b" " * 5000)
    assert consume(small, Broker({0: [large, rollout(1)]}))
    assert line_of("rl:live", Position(0, "1700000000000-0"), large) in landed_lines(setup)
    [status] = statuses(setup.places.members)
    assert (status.offered, status.landed, status.rejected) == (1, 2, {"too_large": 1})


def test_a_message_that_breaks_what_conforms_it_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaking(rollout_: Rollout) -> None:
        if rollout_.source_id == "a-2":
            raise ZeroDivisionError

    monkeypatch.setattr("medallion_assets.conform.conform.verify_reward", breaking)
    setup = setup_in(tmp_path)
    assert consume(setup, Broker({0: [rollout(number) for number in range(5)]}, [5]))
    [status] = statuses(setup.places.members)
    assert (status.landed, status.offered, status.rejected) == (5, 4, {"failed: ZeroDivisionError": 1})


class Absent(Broker):
    """Away for some polls and acknowledgements."""

    def __init__(self, messages: dict[int, list[bytes]], away: int) -> None:
        super().__init__(messages)
        self.away = away

    def connect(self, _: Membership) -> Broker:
        super().connect(_)
        return self

    def poll(self, limit: Limit) -> list[Message]:
        self._tried()
        return super().poll(limit)

    def acknowledge(self, positions: list[Position]) -> None:  # type: ignore[override]
        self._tried()
        super().acknowledge(positions)

    def lag(self) -> Lag:
        self._tried()
        return super().lag()

    def _tried(self) -> None:
        self.away -= 1
        if self.away % 3 == 0 and self.away > 0:
            raise BrokerDown("it is away")


def test_a_broker_that_goes_away_and_comes_back_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medallion_assets.streaming.consume.FIRST_PAUSE_SECONDS", 0.001)
    setup = setup_in(tmp_path, batch={"rows": 2})
    broker = Absent({0: [rollout(number) for number in range(12)]}, away=30)
    assert consume(setup, broker)
    assert landed_positions(setup) == [message.position for message in broker.messages]
    assert broker.acknowledged == set(landed_positions(setup))


@given(
    polls=st.lists(ROWS, min_size=1, max_size=6), deaths=st.lists(st.integers(0, 40), max_size=4), rows=ROWS
)
@settings(max_examples=20)
def test_what_was_served_is_replayed_to_the_byte(polls: list[int], deaths: list[int], rows: int) -> None:
    broker = Broker({0: [rollout(number, answer=4 + number % 2) for number in range(14)]}, polls)
    with fresh(batch={"rows": 5}) as setup:
        served = []
        for death in [*deaths, None]:
            consume(setup, broker, dies_at=death)
            if setup.places.members.exists():
                served += load_stream(setup.places.root, consumer="t", rows=rows, patience=0)
        again = list(replay(setup.places.root, consumer="t"))
        assert [(each.number, each.rows.to_pylist()) for each in again] == [
            (each.number, each.rows.to_pylist()) for each in served
        ]
        assert sum(each.rows.num_rows for each in served) == 14 // rows * rows
