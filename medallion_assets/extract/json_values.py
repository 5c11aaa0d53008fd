"""How Arrow's types read in JSON: dates and times as ISO 8601, in UTC where they have a zone.

Belongs here: casts to types whose Python values say all that Arrow's do. Does not: encoding (parquet.py).
Python's own conversions would round nanoseconds, need a zone database and fail beyond the year 9999.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa
from pyarrow import types

Leaf = Callable[[pa.DataType], pa.DataType]
DATE_THEN_TIME = re.compile(r"(\d) (\d)")


def json_values(column: pa.Array) -> list[Any]:
    """The column's values as msgspec encodes them."""
    values: list[Any] = _readable(column).to_pylist()
    if _has_timestamps(column.type):
        return [_with_t(value, column.type) for value in values]
    return values


def text_as_bytes(column: pa.Array) -> pa.Array:
    """The same, for text that may not be UTF-8."""
    readable = _readable(column)
    return readable.cast(_mapped(readable.type, _bytes_for_text))


def _readable(column: pa.Array) -> pa.Array:
    in_utc = _mapped(column.type, _utc_for_zones)
    as_text = _mapped(in_utc, _text_for_times)
    return column if as_text == column.type else column.cast(in_utc).cast(as_text)


def _utc_for_zones(type_: pa.DataType) -> pa.DataType:
    return pa.timestamp(type_.unit, "UTC") if types.is_timestamp(type_) and type_.tz else type_


def _text_for_times(type_: pa.DataType) -> pa.DataType:
    if types.is_duration(type_):
        return pa.int64()
    return pa.string() if types.is_temporal(type_) else type_


def _bytes_for_text(type_: pa.DataType) -> pa.DataType:
    if types.is_large_string(type_):
        return pa.large_binary()
    return pa.binary() if types.is_string(type_) else type_


def _mapped(type_: pa.DataType, leaf: Leaf) -> pa.DataType:
    """The type with every type within it that holds no other replaced."""
    if isinstance(type_, pa.BaseExtensionType):
        return _mapped(type_.storage_type, leaf)
    if types.is_dictionary(type_):
        return _mapped(type_.value_type, leaf)
    if types.is_struct(type_):
        return pa.struct([field.with_type(_mapped(field.type, leaf)) for field in type_.fields])
    if types.is_map(type_):
        return pa.map_(_mapped(type_.key_type, leaf), _mapped(type_.item_type, leaf))
    if types.is_fixed_size_list(type_):
        return pa.list_(type_.value_field.with_type(_mapped(type_.value_type, leaf)), type_.list_size)
    if types.is_large_list(type_):
        return pa.large_list(type_.value_field.with_type(_mapped(type_.value_type, leaf)))
    if types.is_list(type_):
        return pa.list_(type_.value_field.with_type(_mapped(type_.value_type, leaf)))
    return leaf(type_)


def _has_timestamps(type_: pa.DataType) -> bool:
    return types.is_timestamp(type_) or any(
        _has_timestamps(type_.field(n).type) for n in range(type_.num_fields)
    )


def _with_t(value: Any, type_: pa.DataType) -> Any:
    """Arrow writes a space between a timestamp's date and time; ISO 8601 has a T."""
    if value is None:
        return None
    if types.is_timestamp(type_):
        return DATE_THEN_TIME.sub(r"\1T\2", value)
    if types.is_struct(type_):
        return {field.name: _with_t(value[field.name], field.type) for field in type_.fields}
    if types.is_map(type_):
        return [(_with_t(key, type_.key_type), _with_t(item, type_.item_type)) for key, item in value]
    if isinstance(value, list):
        return [_with_t(child, type_.value_type) for child in value]
    return value
