"""Which text of a record is compared: one string a row, from the columns of its unit.

Belongs here: the parts that a record has by unit, and joining those that are asked for. Does not: comparing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from medallion_assets.records import parsed_json
from medallion_assets.schemas import PREFERENCE_UNIT, PROMPT_UNIT, ROLLOUT_UNIT, SFT_UNIT

ROLES = ("system", "user", "assistant", "tool")
# Of a conversation: what each role says, what the assistant thinks and calls, and the tools on offer.
CONVERSATION = (*ROLES, "reasoning", "calls")
PARTS: Mapping[str, tuple[str, ...]] = {
    SFT_UNIT: (*CONVERSATION, "tools"),
    PREFERENCE_UNIT: ("prompt", "chosen", "rejected", "tools"),
    PROMPT_UNIT: ("prompt", "ground_truth", "tools"),
    ROLLOUT_UNIT: ("prompt", "completion"),
}


def text_of(rows: pa.Table, unit: str, parts: Sequence[str]) -> pa.StringArray:
    """The text of these parts of each row, in the order in which they are said; lines divide the parts.

    JSON (calls, tools) gives the strings and numbers in it, so that a text within is found as it was written.
    """
    if unit == SFT_UNIT:
        columns = [_messages(_column(rows, "messages"), parts)]
        names = [name for name in parts if name == "tools"]
    else:
        columns, names = [], list(parts)
    columns += [_part(_column(rows, name), name) for name in names]
    if not columns:
        return pa.array([""] * rows.num_rows, pa.string())
    return pc.binary_join_element_wise(*columns, "\n")


def _column(rows: pa.Table, name: str) -> pa.Array:
    column = rows.column(name).combine_chunks()
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _part(column: pa.Array, name: str) -> pa.StringArray:
    if pa.types.is_list(column.type):
        return _messages(column, CONVERSATION)
    return _strings(column) if name == "tools" else pc.fill_null(column, "")


def _messages(lists: pa.ListArray, parts: Sequence[str]) -> pa.StringArray:
    turns = lists.flatten()
    pieces = [make(turns, parts) for name, make in PIECES.items() if name in parts or name == "content"]
    said = [piece for piece in pieces if piece is not None]
    whole = pc.binary_join_element_wise(*said, "\n") if len(said) > 1 else said[0]
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths).cast(pa.int32())])
    return pc.binary_join(pa.ListArray.from_arrays(offsets, whole), "\n")


def _reasoning(turns: pa.StructArray, _: Sequence[str]) -> pa.StringArray | None:
    column = turns.field("reasoning_content")
    return None if column.null_count == len(column) else pc.fill_null(column, "")


def _content(turns: pa.StructArray, parts: Sequence[str]) -> pa.StringArray:
    said = [role for role in ROLES if role in parts]
    if len(said) == len(ROLES):
        return turns.field("content")
    wanted = pc.is_in(turns.field("role"), value_set=pa.array(said, pa.string()))
    return pc.if_else(wanted, turns.field("content"), "")


def _calls(turns: pa.StructArray, _: Sequence[str]) -> pa.StringArray | None:
    column = turns.field("tool_calls")
    return None if column.null_count == len(column) else _strings(column)


# What a turn holds, in the order in which it is said.
PIECES: Mapping[str, Callable[[pa.StructArray, Sequence[str]], pa.StringArray | None]] = {
    "reasoning": _reasoning,
    "content": _content,
    "calls": _calls,
}


def _strings(column: pa.StringArray) -> pa.StringArray:
    """Of JSON texts, what is in them. Few rows have any."""
    if column.null_count == len(column):
        return pc.fill_null(column, "")
    return pa.array(["\n".join(_leaves_of(text)) if text else "" for text in column.to_pylist()], pa.string())


def _leaves_of(text: str) -> Iterator[str]:
    """Also of the JSON that a string may hold, as the arguments of a call do; in their order."""
    waiting: list[Any] = [_opened(text)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [_opened(each) for pair in reversed(value.items()) for each in reversed(pair)]
        elif isinstance(value, list):
            waiting += [_opened(each) for each in reversed(value)]
        elif value is not None:
            yield str(value)


def _opened(value: Any) -> Any:
    """What JSON text holds; anything else as it is."""
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return value
    try:
        return parsed_json(value)
    except (msgspec.DecodeError, RecursionError):
        return value
