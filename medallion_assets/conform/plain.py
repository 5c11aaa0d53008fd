"""Plain conversations, role and content alone, a batch at a time: what most sources deliver.

Belongs here: the rows that surely go on, and their columns, the very same as of one row after the other. Does
not: any source's shape (formats/), or rejecting: whatever is in doubt is left to conform.py's loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from medallion_assets.conform import fields
from medallion_assets.curate.clean import clean_text, may_be_cleaned
from medallion_assets.curate.gates import GATES, first_reject
from medallion_assets.curate.gates.quality import quality_gates
from medallion_assets.curate.gates.quality.screen import may_be_rejected
from medallion_assets.curate.gates.quality.thresholds import Quality
from medallion_assets.records import Rejected, content_id
from medallion_assets.schemas import MESSAGE, MESSAGES, SFT_PAIRS, SFT_UNIT
from medallion_assets.text.alphabet import Array
from medallion_assets.text.buffers import content_of, counts_of, offsets_of, touched
from medallion_assets.units import Conversation, Message

COLON, BACKSLASH = ord(":"), ord("\\")
REST_OF_AN_ESCAPED_COLON = b"u003"  # and one digit more, which makes it a colon or a neighbour of it
SHAPES_KEPT = 1024


class Turn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, gc=False):
    """As record ids hash it: its fields in the order of their names. Of JSON, role and content are taken."""

    content: str
    name: None = None
    reasoning_content: None = None
    role: str
    tool_call_id: None = None
    tool_calls: None = None
    train: bool = False


class Talk(NamedTuple):
    """A conversation, and how many colons its JSON has at least, beside those within what is said."""

    turns: list[Turn]
    source_id: str | None
    colons: int


Reader = Callable[[bytes], Talk | None]


def plain_rows(batch: pa.RecordBatch, read: Reader, quality: Quality) -> tuple[Array, pa.Table]:
    """The places in the batch of rows that go on, ascending, and what they are conformed to, without origin.

    `read` gives None, or raises msgspec.DecodeError, for a record that is not plain. A record that has more
    colons than we know of has keys that we have not seen, or one twice: a colon follows each.
    """
    places, talks = _talks(batch, read)
    turns = [turn for talk in talks for turn in talk.turns]
    first = np.cumsum([0, *(len(talk.turns) for talk in talks)], dtype=np.int64)
    said = pa.array([turn.content for turn in turns], pa.string())
    spoken = counts_of(COLON, content_of(said), offsets_of(said)[first])
    sure = _colons_in(batch.column("raw"))[places] == spoken + [talk.colons for talk in talks]
    said = _cleaned(turns, said)
    sure &= _says_something(said, first)
    for row in np.flatnonzero(sure & may_be_rejected(quality, said, first)).tolist():
        sure[row] = _passes(talks[row], quality)
    return np.array(places, np.int64)[sure], _columns(talks, turns, said, first).filter(pa.array(sure))


def _talks(batch: pa.RecordBatch, read: Reader) -> tuple[list[int], list[Talk]]:
    """The plain records whose turns follow each other as they may, and their places in the batch."""
    places, talks = [], []
    raws = batch.column("raw").cast(pa.binary()).to_pylist()
    for place, (raw, defect) in enumerate(
        zip(raws, batch.column("defect").is_valid().to_pylist(), strict=True)
    ):
        if raw is not None and not defect and (talk := _talk(raw, read)) is not None:
            places.append(place)
            talks.append(talk)
    return places, talks


def _talk(raw: bytes, read: Reader) -> Talk | None:
    try:
        talk = read(raw)
    except msgspec.DecodeError:
        return None
    roles = _roles(tuple([turn.role for turn in talk.turns])) if talk is not None else None
    if talk is None or roles is None:
        return None
    for turn, role in zip(talk.turns, roles, strict=True):
        turn.role, turn.train = role, role == "assistant"
    return talk


@lru_cache(maxsize=SHAPES_KEPT)
def _roles(named: tuple[str, ...]) -> tuple[str, ...] | None:
    """Our names of these roles; None where turns that say something may not follow each other like that."""
    try:
        roles = tuple(fields.role(name) for name in named)
    except Rejected:
        return None
    talk = Conversation([Message(role, "something") for role in roles])
    return roles if first_reject(talk, GATES[SFT_UNIT]) is None else None


def _colons_in(raws: pa.StringArray) -> Array:
    """How many each text has: int64 (texts,); -1 where one may be spelt as an escape."""
    content, borders = content_of(raws), offsets_of(raws)
    escapes = np.flatnonzero(content[: -len(REST_OF_AN_ESCAPED_COLON)] == BACKSLASH)
    for distance, sign in enumerate(REST_OF_AN_ESCAPED_COLON, start=1):
        escapes = escapes[content[escapes + distance] == sign]
    return np.where(touched(escapes, borders), -1, counts_of(COLON, content, borders))


def _cleaned(turns: Sequence[Turn], said: pa.StringArray) -> pa.StringArray:
    """Also within the turns."""
    for place in np.flatnonzero(may_be_cleaned(said)).tolist():
        turns[place].content = clean_text(turns[place].content)
    return pa.array([turn.content for turn in turns], pa.string())


def _says_something(said: pa.StringArray, first: Array) -> Array:
    """Whether no turn of a conversation is empty."""
    empty = np.concatenate([[0], np.cumsum(np.diff(offsets_of(said)) == 0)])
    spoken: Array = np.diff(empty[first]) == 0
    return spoken


def _passes(talk: Talk, quality: Quality) -> bool:
    record = Conversation([Message(turn.role, turn.content) for turn in talk.turns])
    return first_reject(record, quality_gates(quality, SFT_UNIT)) is None


def _columns(talks: Sequence[Talk], turns: Sequence[Turn], said: pa.StringArray, first: Array) -> pa.Table:
    made = {
        "role": pa.array([turn.role for turn in turns], pa.string()),
        "content": said,
        "train": pa.array([turn.train for turn in turns], pa.bool_()),
    }
    columns = [made.get(field.name, pa.nulls(len(turns), field.type)) for field in MESSAGE]
    messages = pa.StructArray.from_arrays(columns, fields=list(MESSAGE))
    return pa.Table.from_arrays(
        [
            pa.array([content_id([talk.turns, None]) for talk in talks], pa.string()),
            pa.array([talk.source_id for talk in talks], pa.string()),
            pa.ListArray.from_arrays(pa.array(first, pa.int32()), messages, type=MESSAGES),
            pa.nulls(len(talks), pa.string()),
        ],
        schema=SFT_PAIRS.without_origin,
    )
