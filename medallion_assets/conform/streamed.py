"""A broker's message as one line of an export: what was sent, and where it stood in its topic.

Belongs here: the line, written and opened again; the one module that knows its keys. Does not: brokers and
files of such lines (streaming/). A message that is JSON stands in the line as it was sent, any other as text,
bytes that are no text in base64: all are landed, and what is wrong with one is told where it is conformed.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec

from medallion_assets.conform.delivery import Delivery
from medallion_assets.records import Rejected, parsed_json, strict_json

MARK, VERSION = "medallion_stream", 1
HEAD = re.compile(
    rb'\{"medallion_stream":1,"topic":("(?:[^"\\]|\\.)*"),"partition":(\d+),"offset":"(\d+(?:-\d+)?)",'
)
OFFSET = re.compile(r"(\d+)(?:-(\d+))?", re.ASCII)
# A place is one integer of 62 bits: partition and offset of Kafka, milliseconds and number of Redis.
OFFSET_BITS, PARTITION_BITS = 47, 15
NUMBER_BITS, MILLISECOND_BITS = 20, 42


class Position(NamedTuple):
    """Where a message stands in its topic. `offset` is the broker's own text: 17, or 1700000000000-0."""

    partition: int
    offset: str

    @property
    def order(self) -> tuple[int, int]:
        """Offsets of a partition in the broker's order."""
        first, _, second = self.offset.partition("-")
        return int(first), int(second or 0)


def line_of(topic: str, position: Position, message: bytes) -> bytes:
    """Without the line's end; equal messages at equal positions have equal lines."""
    head = b'{"%s":%d,"topic":%s,"partition":%d,"offset":"%s",' % (
        MARK.encode(),
        VERSION,
        msgspec.json.encode(topic),
        position.partition,
        position.offset.encode(),
    )
    return b"%s%s}" % (head, _content(message))


def _content(message: bytes) -> bytes:
    try:
        text = message.decode()
    except UnicodeDecodeError:
        return b'"base64":"%s"' % b64encode(message)
    if b"\n" not in message and _is_json(text):
        return b'"message":%s' % message
    return b'"text":%s' % msgspec.json.encode(text)


def _is_json(text: str) -> bool:
    """Also within the line, where it lies one level deeper."""
    try:
        parsed_json(f"[{text}]")
        parsed_json(text)  # else "1,2" would be JSON
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def head_of(line: bytes) -> tuple[str, Position]:
    """Topic and position of a line that line_of wrote."""
    found = HEAD.match(line)
    if found is None:
        raise ValueError(f"no line of a stream: {line[:80]!r}")
    return msgspec.json.decode(found[1], type=str), Position(int(found[2]), found[3].decode())


def opened(value: Any, delivery: Delivery) -> tuple[Any, Delivery]:
    """What was sent, with its place in its topic; any other record as it is."""
    if not (isinstance(value, dict) and MARK in value):
        return value, delivery
    topic, place = value.get("topic"), _place(value.get("partition"), value.get("offset"))
    if value[MARK] != VERSION or not isinstance(topic, str):
        raise Rejected("broken_stream_line", f"no line of a stream as it is read here: {sorted(value)}")
    return _message(value), replace(delivery, file=topic, place=place)


def _message(value: dict[str, Any]) -> Any:
    if "message" in value:
        return value["message"]
    if isinstance(value.get("text"), str):
        return strict_json(value["text"])
    if "base64" in value:
        raise Rejected("invalid_utf8", "the message's bytes are not UTF-8; the line has them in base64")
    raise Rejected("broken_stream_line", f"the line holds no message: {sorted(value)}")


def _place(partition: Any, offset: Any) -> int:
    found = OFFSET.fullmatch(offset) if isinstance(offset, str) else None
    if found is None or not isinstance(partition, int):
        raise Rejected("broken_stream_line", f"no position: partition {partition!r}, offset {offset!r}")
    if found[2] is None:
        high, low, widths = partition, int(found[1]), (PARTITION_BITS, OFFSET_BITS)
    else:
        high, low, widths = int(found[1]), int(found[2]), (MILLISECOND_BITS, NUMBER_BITS)
    if high >> widths[0] or low >> widths[1] or high < 0:
        raise Rejected("position_out_of_range", f"partition {partition}, offset {offset} is no place of ours")
    return high << widths[1] | low
