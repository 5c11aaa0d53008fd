"""Rows of a batch, read column by column as far as somebody asks.

Belongs here: reading values. Does not: what is made of them (conversations.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa


@dataclass(eq=False)
class Columns:
    """A batch's columns as Python lists; nested ones stay as they are, since few rows of those are read."""

    batch: pa.RecordBatch
    _lists: dict[str, list[Any]] = field(default_factory=dict)

    def value(self, name: str, row: int) -> Any:
        if name not in self._lists:
            column = self.batch.column(name)
            if pa.types.is_nested(column.type):
                return column[row].as_py()
            self._lists[name] = column.to_pylist()
        return self._lists[name][row]
