"""A message as a line: whatever is sent comes out as if it had landed in a file of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.conform.delivery import Delivery, Options
from medallion_assets.conform.rollout_names import place_of, position
from medallion_assets.conform.streamed import Position, head_of, line_of, opened
from medallion_assets.records import Rejected, strict_json

HERE = Delivery("feed", "live/x@0@1@2.jsonl", 7, Options())
PLACE = Position(3, "17")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
MESSAGES = st.binary() | st.text().map(str.encode) | VALUES.map(lambda value: json.dumps(value).encode())
NESTED = [b"[" * depth + b"]" * depth for depth in (98, 99, 100, 101)]


def verdict(message: bytes) -> Any:
    """What a line of a file with these bytes would come to."""
    try:
        return strict_json(message.decode())
    except UnicodeDecodeError:
        return "invalid_utf8"
    except Rejected as reject:
        return reject.reason


def verdict_of_line(line: bytes) -> Any:
    try:
        return opened(strict_json(line.decode()), HERE)[0]
    except Rejected as reject:
        return reject.reason


@given(MESSAGES | st.sampled_from([*NESTED, b'{"a":1,"a":2}', b"1,2", b"{}\n", b"", b'{"a":"\n"}']))
def test_what_was_sent_is_what_is_read(message: bytes) -> None:
    line = line_of("team/rl", PLACE, message)
    assert b"\n" not in line
    assert head_of(line) == ("team/rl", PLACE)
    assert verdict_of_line(line) == verdict(message)


def test_json_stands_in_the_line_as_it_was_sent() -> None:
    line = line_of("rl", Position(0, "5-1"), b'{ "a" : 1.50 }')
    assert (
        line == b'{"medallion_stream":1,"topic":"rl","partition":0,"offset":"5-1","message":{ "a" : 1.50 }}'
    )


@given(st.integers(0, 2**15 - 1), st.integers(0, 2**47 - 1), st.booleans())
def test_places_keep_the_order_of_offsets(partition: int, offset: int, is_redis: bool) -> None:
    text = f"{offset >> 5}-{offset & 31}" if is_redis else str(offset)
    line = line_of("rl", Position(0 if is_redis else partition, text), b"{}")
    _, delivery = opened(strict_json(line.decode()), HERE)
    expected = (offset >> 5) << 20 | offset & 31 if is_redis else partition << 47 | offset
    assert delivery.place == position(delivery) == place_of(delivery) == expected < 2**62


def test_a_record_that_was_not_streamed_is_left_alone() -> None:
    assert opened({"input": 1}, HERE) == ({"input": 1}, HERE)
    assert position(HERE) == 6


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            {"medallion_stream": 2, "topic": "t", "partition": 0, "offset": "1", "message": 1},
            "broken_stream_line",
        ),
        (
            {"medallion_stream": 1, "topic": "t", "partition": 0, "offset": 1, "message": 1},
            "broken_stream_line",
        ),
        ({"medallion_stream": 1, "topic": "t", "partition": 0, "offset": "1"}, "broken_stream_line"),
        (
            {"medallion_stream": 1, "topic": "t", "partition": 0, "offset": str(2**47), "message": 1},
            "position_out_of_range",
        ),
    ],
)
def test_lines_that_only_look_streamed_are_rejected(line: dict[str, Any], reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        opened(line, HERE)
    assert caught.value.reason == reason
