"""What can become of a record at a table: the steps of a fate, as plain values.

Belongs here: the shapes that the JSON output has. Does not: finding them (fate.py) or wording them (show.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from medallion_assets.trace.bins import Span


@dataclass(frozen=True)
class Origin:
    """The bronze row: where the record landed, and its text exactly so."""

    source: str
    landing_date: str
    export_sha256: str
    file: str
    record_number: int
    line: int
    byte_offset: int
    raw: str | None
    raw_bytes: bytes | None
    defect: str | None


@dataclass(frozen=True)
class Kept:
    """It is a row of the table."""

    table: str
    partition: str
    record_id: str
    note: str | None = None
    outcome: Literal["kept"] = "kept"


@dataclass(frozen=True)
class Twin:
    """The record that a duplicate repeats."""

    record_id: str
    source: str | None
    landing_date: str | None
    similarity: float | None


@dataclass(frozen=True)
class Fallen:
    """It is in the table's rejects: the end of its way."""

    table: str
    partition: str
    stage: str
    reason: str
    detail: str
    record_id: str | None
    twin: Twin | None
    outcome: Literal["rejected"] = "rejected"


@dataclass(frozen=True)
class Packed:
    """Its tokens are in these bins of a gold table."""

    table: str
    partition: str
    version: str
    spans: tuple[Span, ...]
    outcome: Literal["packed"] = "packed"


@dataclass(frozen=True)
class Pending:
    """The table does not know it yet."""

    table: str
    partition: str
    why: str
    outcome: Literal["not_materialized"] = "not_materialized"


Hop = Kept | Fallen | Packed | Pending


@dataclass(frozen=True)
class Fate:
    """A record's whole way; `survivor` is the fate of what it repeats, `derived` of what was made from it."""

    origin: Origin
    hops: tuple[Hop, ...]
    survivor: Fate | None = None
    derived: tuple[Fate, ...] = ()
