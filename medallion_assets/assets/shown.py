"""What a partition shows of itself in the UI, as Dagster's metadata: plots, and a few rows of the newest.

Belongs here: which metadata, under which name. Does not: numbers, rows or drawings (report/).
Records are shown in tables alone, which the UI never reads as markdown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import dagster as dg

from medallion_assets.report.plots import funnel
from medallion_assets.report.samples import Row, rejected_examples, sample
from medallion_assets.storage.io_manager import PartitionBuilds
from medallion_assets.storage.manifest import Manifest
from medallion_assets.storage.store import PartitionStore, Table

Shown = Mapping[str, Any]


def shown(builds: PartitionBuilds, store: PartitionStore) -> PartitionBuilds:
    """The same partitions, with what each shows once it is written."""
    table = builds.table
    return replace(
        builds, metadata=partial(of_partition, store, table), newest=partial(_of_newest, store, table)
    )


def of_partition(store: PartitionStore, table: Table, key: str) -> Shown:
    """How many records went on and why others did not, where any did not."""
    manifest = store.manifest(table, key)
    rejected = manifest.summary.get("rejected") if manifest else None
    return (
        {"funnel": dg.MetadataValue.md(funnel(_records(manifest), rejected))} if manifest and rejected else {}
    )


def _of_newest(store: PartitionStore, table: Table, key: str) -> Shown:
    manifest = store.manifest(table, key)
    counts = manifest.summary.get("rejected", {}) if manifest else {}
    tables = {
        "sample": sample(table.schema.name, store.paths(table, key)),
        "rejected_examples": rejected_examples(counts, store.paths(table, key, rejects=True)),
    }
    return {name: table_of(rows) for name, rows in tables.items() if rows}


def _records(manifest: Manifest) -> int:
    """Those that went on; a row of gold may hold several."""
    summary = manifest.summary
    kept: int = summary.get("records", summary.get("documents", manifest.rows))
    return kept


def table_of(rows: Sequence[Row]) -> dg.TableMetadataValue:
    columns = [dg.TableColumn(name) for name in rows[0]]
    return dg.MetadataValue.table([dg.TableRecord(dict(row)) for row in rows], dg.TableSchema(columns))
