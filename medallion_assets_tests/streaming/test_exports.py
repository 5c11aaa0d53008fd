"""Exports of a stream: each line once, whatever is delivered again, by whom and in which pieces."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.conform.streamed import Position, line_of
from medallion_assets.streaming import exports
from medallion_assets.streaming.exports import Landed, Landing, label_of, land, span_in

TOPIC = "rl:live"
OFFSETS = st.integers(0, 30).map(lambda number: f"{number // 3}-{number % 3}")
PLACES = st.builds(Position, st.integers(0, 1), OFFSETS)


def line(position: Position, message: bytes = b"{}") -> bytes:
    return line_of(TOPIC, position, message)


def lines_below(folder: Path) -> list[bytes]:
    return [each for path in folder.rglob("*.jsonl") for each in path.read_bytes().splitlines()]


def landing(folder: Path, lines: Sequence[bytes], landed: Landed | None = None) -> Landing:
    return land(lines, landed or Landed(folder / "live"), lock=folder / "lock")


@given(st.lists(st.tuples(st.integers(0, 2), st.lists(PLACES, max_size=9)), max_size=6))
@settings(max_examples=40)
def test_each_position_lands_once(deliveries: list[tuple[int, list[Position]]]) -> None:
    """Three consumers that share the folder, in pieces of their own that overlap."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        consumers = [Landed(folder / "live") for _ in range(3)]
        for who, positions in deliveries:
            landing(folder, [line(each) for each in positions], consumers[who])
        expected = {line(each) for _, positions in deliveries for each in positions}
        assert sorted(lines_below(folder)) == sorted(expected)
        again = landing(folder, sorted(expected))
        assert (again.rows, again.repeated) == (0, len(expected))


def test_a_name_tells_topic_partition_and_offsets(tmp_path: Path) -> None:
    [path] = landing(tmp_path, [line(Position(1, f"10-{n}")) for n in (2, 0, 1)]).paths
    assert path.name == "rl%3Alive@1@10-0@10-2.jsonl"
    span = span_in(f"live/dt=2024-09-01/{path.name}")
    assert span is not None
    assert span.orders == ((10, 0), (10, 2))


def test_a_day_long_past_is_looked_at_where_a_position_lies_within(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of days let go, only the bounds are held."""
    monkeypatch.setattr(exports, "DAYS_REMEMBERED", 1)
    for day in range(1, 6):
        monkeypatch.setattr(exports, "_day", lambda _=None, day=day: f"2024-09-0{day}")
        landing(tmp_path, [line(Position(0, str(10 * day + n))) for n in (0, 5)])
    landed = Landed(tmp_path / "live")
    landed.look()
    held = [n for n in range(70) if landed.holds(TOPIC, Position(0, str(n)), line(Position(0, str(n))))]
    assert held == [10, 15, 20, 25, 30, 35, 40, 45, 50, 55]


def test_exports_that_were_tidied_away_are_no_reason_to_drop_anything(tmp_path: Path) -> None:
    landed = Landed(tmp_path / "live")
    [path] = landing(tmp_path, [line(Position(0, "1"))], landed).paths
    path.unlink()
    assert not Landed(tmp_path / "live").holds(TOPIC, Position(0, "1"), line(Position(0, "1")))


def test_what_a_killed_consumer_was_writing_is_swept(tmp_path: Path) -> None:
    [path] = landing(tmp_path, [line(Position(0, "1"))]).paths
    orphan = path.with_name(".tmp-0123")
    orphan.write_bytes(b"half")
    landing(tmp_path, [line(Position(0, "2"))])
    assert not orphan.exists()


def test_a_marker_lies_beside_the_exports(tmp_path: Path) -> None:
    landed = Landed(tmp_path / "live")
    [path] = land([line(Position(0, "1"))], landed, lock=tmp_path / "lock", marker="STABLE").paths
    assert (path.parent / "STABLE").exists()


@given(st.text(min_size=1, max_size=249), st.text(min_size=1, max_size=249))
def test_labels_are_names_of_files_and_no_two_topics_share_one(one: str, other: str) -> None:
    label = label_of(one)
    assert len(f"{label}@0@1@2.jsonl") < 255
    assert not label.startswith(".")
    assert not label.endswith("~")
    assert "/" not in label
    assert (label == label_of(other)) == (one == other)
