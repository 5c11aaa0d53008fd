"""Rows of a batch, read column by column as far as somebody asks.

Belongs here: what a row is. Does not: what is made of it (conversations.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa


@dataclass(eq=False)
class Columns:
    """A batch's columns as Python lists; nested ones stay as they are, since few rows of those are read."""

    batch: pa.RecordBatch
    computed: dict[str, list[Any]] = field(default_factory=dict)

    def value(self, name: str, row: int) -> Any:
        if name not in self.computed:
            column = self.batch.column(name)
            if pa.types.is_nested(column.type):
                return column[row].as_py()
            self.computed[name] = column.to_pylist()
        return self.computed[name][row]


class Row(Mapping[str, Any]):
    """One row, as a dict of it would be."""

    __slots__ = ("_columns", "_row")

    def __init__(self, columns: Columns, row: int) -> None:
        self._columns = columns
        self._row = row

    def __getitem__(self, name: str) -> Any:
        return self._columns.value(name, self._row)

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns.batch.schema.names)

    def __len__(self) -> int:
        return len(self._columns.batch.schema.names)
