"""What the store is asked to hold: tables, and how one partition of them is made.

Belongs here: names that are safe as folders, errors that readers meet, what a build writes to. Does not: how
generations replace each other (store.py) or where they lie (place.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from medallion_assets.schemas import FINGERPRINTS, REJECTS, TableSchema
from medallion_assets.storage.manifest import Digests, Manifest, Part
from medallion_assets.storage.parts import MappedPartWriter, PartWriter

# In a versioned table, the file that says which version is in use.
CURRENT_VERSION_NAME = "_current"
# Partition keys and table names become folder names: slugs and dates, nothing that climbs out.
SAFE_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}", re.ASCII)


class MissingPartition(LookupError):
    """A partition that has not been materialized."""

    def __init__(self, table: str, key: str) -> None:
        self.table = table
        self.key = key
        super().__init__(
            f"{table} has no partition {key}; materialize it first: "
            f"dagster asset materialize --select {table} --partition {key}"
        )


class OtherSchema(LookupError):
    """A partition that was written under another version of its table's schema."""

    def __init__(self, table: Table, key: str, found: int) -> None:
        super().__init__(
            f"{table.full_name} {key} has version {found} of the schema {table.schema.name}, and this code "
            f"reads version {table.schema.version}; rebuild it first: "
            f"dagster asset materialize --select {table.full_name} --partition {key}"
        )


class MissingFingerprints(LookupError):
    """A partition that a version without fingerprints wrote."""

    def __init__(self, table: Table, key: str) -> None:
        super().__init__(
            f"{table.full_name} {key} has no fingerprints, which an older version did not write; rebuild it: "
            f"dagster asset materialize --select {table.full_name} --partition {key}, "
            "or all days at once with --partition-range FIRST...LAST"
        )


class ImmutablePartition(RuntimeError):
    """An attempt to overwrite or shrink an append-only partition."""


class WriteInstead(Exception):
    """Raised while rows are made: drop what this part has so far, and write these rows instead."""

    def __init__(self, rows: Iterable[pa.Table]) -> None:
        self.rows = rows
        super().__init__("the rows so far are not to be kept")


@dataclass(frozen=True)
class Table:
    """A table of the store. `version` separates generations of the whole table, as gold's tokenizers do.

    Beside its rows, a `fingerprinted` one keeps what comparing them needs.
    """

    layer: str
    name: str
    schema: TableSchema
    append_only: bool = False
    version: str | None = None
    fingerprinted: bool = False

    @property
    def full_name(self) -> str:
        return f"{self.layer}/{self.name}"


class PartitionWriter:
    """Where a build puts the rows and the rejects of one partition, and its summary."""

    def __init__(self, folder: Path, table: Table) -> None:
        self._rows = PartWriter(folder, table.schema, label="part-00000")
        self._rejects = PartWriter(folder, REJECTS, label="rejects-00000")
        self._fingerprints = (
            [MappedPartWriter(folder, FINGERPRINTS, label="fingerprints-00000")]
            if table.fingerprinted
            else []
        )
        self.summary: dict[str, Any] = {}

    def rows(self, table: pa.Table) -> None:
        self._rows.write(table)

    def rejects(self, table: pa.Table) -> None:
        self._rejects.write(table)
        by_reason = self.summary.setdefault("rejected", {})
        for item in table.column("reason").value_counts().to_pylist():
            by_reason[item["values"]] = by_reason.get(item["values"], 0) + item["counts"]

    def fingerprints(self, table: pa.Table) -> None:
        """Those of the rows, in their order."""
        self._fingerprints[0].write(table)

    def finish(self) -> tuple[Part, Part, tuple[Part, ...]]:
        fingerprints = tuple(writer.finish() for writer in self._fingerprints)
        if any(part.rows != self._rows.rows for part in fingerprints):
            raise ValueError(f"{self._rows.rows} rows came with {fingerprints[0].rows} fingerprints")
        return self._rows.finish(), self._rejects.finish(), fingerprints

    def abandon(self) -> None:
        for writer in (self._rows, self._rejects, *self._fingerprints):
            writer.abandon()


@dataclass(frozen=True)
class Build:
    """How to make one partition: its digests, known beforehand, and the work, done only if they changed.

    `digests` is a function since the inputs must be looked at while the partition is locked. `rows` counts
    what `write` can make in ranges of rows.
    """

    digests: Callable[[], Digests]
    write: Callable[[PartitionWriter], None]
    rows: Callable[[], int] = field(default=lambda: 0)


@dataclass(frozen=True)
class Append:
    """New parts of an append-only partition, by a label unique to their content (an export's SHA-256)."""

    parts: Mapping[str, Callable[[], Iterable[pa.Table]]]
    summary: Callable[[str], Mapping[str, Any]] = field(default=lambda label: {})


@dataclass(frozen=True)
class Written:
    """What became of one partition: its manifest, and whether any byte changed."""

    manifest: Manifest
    changed: bool


def safe(name: str) -> str:
    if not SAFE_NAME.fullmatch(name) or ".." in name:
        raise ValueError(
            f"{name!r} can't name a folder of the store: use lower-case letters, digits, '_', '-', '.'"
        )
    return name
