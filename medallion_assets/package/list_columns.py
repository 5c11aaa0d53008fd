"""Columns of lists as arrays, one a row, and back.

Belongs here: the conversion alone. Does not: what the numbers are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Array = np.ndarray[Any, Any]
Numbers = np.ndarray[Any, np.dtype[np.int64]]


def arrays(lists: pa.ListArray) -> list[Array | None]:
    """Views of the values; a null within a list of floats is not a number."""
    values = lists.flatten().to_numpy(zero_copy_only=False)
    ends = borders(lengths(lists))
    return [
        values[start:end] if valid else None
        for start, end, valid in zip(ends, ends[1:], lists.is_valid().to_pylist(), strict=False)
    ]


def lists(rows: Sequence[Array | None], type_: pa.ListType) -> pa.ListArray:
    """The other way."""
    held = [row for row in rows if row is not None]
    flat = np.concatenate(held) if held else np.array([], np.int64)
    ends = borders(np.array([0 if row is None else len(row) for row in rows], np.int64))
    absent = pa.array([row is None for row in rows], pa.bool_()) if len(held) < len(rows) else None
    values = pa.array(flat, type_.value_type, from_pandas=True)
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), values, type=type_, mask=absent)


def list_array(borders: Any, values: Any, type_: pa.ListType) -> pa.ListArray:
    """Lists of these values, which begin and end at these borders."""
    ends = pa.array(borders, pa.int32())
    return pa.ListArray.from_arrays(ends, pa.array(values, type_.value_type), type=type_)


def lengths(lists: pa.ListArray) -> Numbers:
    """Nulls count as empty."""
    found: Numbers = pc.fill_null(lists.value_lengths(), 0).to_numpy().astype(np.int64)
    return found


def borders(lengths: Numbers) -> Numbers:
    """Where each row begins, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
