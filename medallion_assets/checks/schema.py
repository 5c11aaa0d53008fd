"""The files of a partition have the declared columns, and the rows that their manifest counts.

Belongs here: manifests and footers against what is declared. Does not: reading rows, which has checksums of
its own (storage/parts.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from medallion_assets.checks.finding import PARTITION, Fault, Finding
from medallion_assets.schemas import REJECTS
from medallion_assets.stage import Stage
from medallion_assets.storage.manifest import Manifest, Part
from medallion_assets.storage.parts import schema_differences
from medallion_assets.storage.store import PartitionStore, Table

# A day of bronze may have thousands of parts; those that came last are looked at.
MOST_PARTS = 50


def misfits(stage: Stage, store: PartitionStore, keys: Sequence[str]) -> Finding:
    """What of these partitions is not as the table's schema says."""
    table = stage.table
    faults: list[Fault] = []
    files = 0
    for key in keys:
        if manifest := store.manifest(table, key):
            files += min(len(manifest.parts), MOST_PARTS) + len(manifest.rejects)
            faults += [{PARTITION: key, **fault} for fault in _of_partition(store, table, key, manifest)]
    return Finding.of(len(keys), faults, files=files)


def _of_partition(store: PartitionStore, table: Table, key: str, manifest: Manifest) -> Iterator[Fault]:
    found, declared = manifest.schema_version, table.schema.version
    if found != declared:
        yield {
            "file": None,
            "what": f"has version {found} of the schema, declared {declared}: build it again",
        }
        return
    for parts, schema in (
        (_last_written(store, table, key, manifest.parts), table.schema),
        (manifest.rejects, REJECTS),
    ):
        for part in parts:
            for what in _differences(store.opened(table, key, part), part, schema.arrow):
                yield {"file": part.name, "what": what}


def _last_written(store: PartitionStore, table: Table, key: str, parts: Sequence[Part]) -> Sequence[Part]:
    if len(parts) <= MOST_PARTS:
        return parts
    written = {name: entry.written_ns for name, entry in store.entries(table, key).items()}
    return sorted(parts, key=lambda part: written.get(part.name, 0))[-MOST_PARTS:]


def _differences(path: Path | IO[bytes], part: Part, declared: pa.Schema) -> list[str]:
    try:
        with pq.ParquetFile(path) as file:
            found, rows = file.schema_arrow, file.metadata.num_rows
    except (OSError, pa.ArrowException) as error:
        return [f"can't be read: {error}"]
    miscounted = [f"has {rows} rows, its manifest says {part.rows}"] if rows != part.rows else []
    return schema_differences(found, declared) + miscounted
