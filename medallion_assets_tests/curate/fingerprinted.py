"""Conformed partitions made by hand."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from medallion_assets.curate.fingerprint import COMPARED, fingerprints_of
from medallion_assets.records import content_id
from medallion_assets.schemas import SFT_PAIRS
from medallion_assets.storage.manifest import Digests, digest_of
from medallion_assets.storage.store import Build, PartitionStore, PartitionWriter, Table

Row = dict[str, Any]


def put(store: PartitionStore, table: Table, day: str, rows: list[Row], *, batch: int = 1000) -> None:
    """Rows with their fingerprints, where the table has any."""

    def write(writer: PartitionWriter) -> None:
        for start in range(0, max(len(rows), 1), batch):
            made = table.schema.table(rows[start : start + batch])
            writer.rows(made)
            if table.fingerprinted:
                unit = table.schema.name
                writer.fingerprints(fingerprints_of(made, unit, COMPARED[unit]))

    store.overwrite(table, day, Build(lambda: Digests(digest_of(str(rows)), "", ""), write))


def said(text: str, number: int = 1, *, day: str = "2024-09-01", source: str = "feed") -> Row:
    """A conversation of one turn. Its number is part of its identity: equal texts can be two records."""
    return {
        "record_id": content_id([text, number]),
        "source": source,
        "landing_date": date.fromisoformat(day),
        "export_sha256": "e" * 64,
        "record_number": number,
        "line": number,
        "messages": [{"role": "user", "content": text, "train": False}],
    }


def table_of(source: str) -> Table:
    """A source's conformed conversations."""
    return Table("silver", f"{source}_conformed", SFT_PAIRS, fingerprinted=True)


def filed(path: Path) -> list[Row]:
    """The fingerprints in a file, read plainly."""
    with pa.ipc.open_file(str(path)) as file:
        rows: list[Row] = file.read_all().to_pylist()
    return rows
