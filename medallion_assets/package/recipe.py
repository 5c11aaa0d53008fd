"""What a recipe asks for, as plain values.

Belongs here: the rules of a gold table. Does not: applying them (select.py, and a module a unit).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from medallion_assets.package.tokens.tokenizer import LoadedTokenizer
from medallion_assets.schemas import TableSchema


@dataclass(frozen=True)
class Selection:
    """Which of a unit's records a recipe takes, and how often. None bounds nothing.

    `held_out` is the share of records, by their ids, that is set apart; `takes_held_out` tells which side
    of that this table is.
    """

    mix: Mapping[str, float] | None = None
    where: str | None = None
    first: date | None = None
    last: date | None = None
    held_out: float | None = None
    takes_held_out: bool = False


EVERYTHING = Selection()


@dataclass(frozen=True)
class Packaging:
    """How records become rows: `max_length` in tokens, `too_long` and `packing` by name."""

    max_length: int
    too_long: str = "reject"
    packing: str = "best_fit"


class Sink(Protocol):
    """Where rows and rejects go, as a PartitionWriter takes them."""

    @property
    def summary(self) -> dict[str, Any]: ...

    def rows(self, table: pa.Table) -> None: ...

    def rejects(self, table: pa.Table) -> None: ...


@dataclass(frozen=True)
class Workshop:
    """What a packager works with: rows are as the schema says; `split` is train or test."""

    tokenizer: LoadedTokenizer
    packaging: Packaging
    schema: TableSchema
    scratch: Path
    split: str = "train"
