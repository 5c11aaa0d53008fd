"""Exports that could not be taken apart, and rejects as a share of what landed.

Belongs here: what manifests and quarantine rows tell of a source. Does not: asset checks (asset_checks.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from medallion_assets.extract.ingest import WHOLE_EXPORT
from medallion_assets.storage.manifest import Manifest, Part
from medallion_assets.storage.parts import read_batches
from medallion_assets.storage.store import PartitionStore, Table

COLUMNS = ("record_number", "defect")


@dataclass(frozen=True)
class Quarantined:
    """An export of which nothing could be read, and why."""

    file: str
    landing_date: date
    export_sha256: str
    defect: str


def quarantined(store: PartitionStore, bronze: Table) -> list[Quarantined]:
    """The exports in quarantine, but those whose file was replaced by one that can be read."""
    found: list[Quarantined] = []
    for key, manifest in _manifests(store, bronze):
        bad = {each.file: each for each in _quarantined_on(store, bronze, key, manifest)}
        names = {export["file"] for export in manifest.summary["exports"].values()}
        found = [each for each in found if each.file not in names - set(bad)]
        found += bad.values()
    return found


def reject_rate(store: PartitionStore, conformed: Table, key: str) -> float:
    """Rejects as a share of all the partition's records; 0 where there are none."""
    manifest = store.manifest(conformed, key)
    total = manifest.rows + manifest.rejected_rows if manifest else 0
    return manifest.rejected_rows / total if manifest and total else 0.0


def _manifests(store: PartitionStore, table: Table) -> Iterator[tuple[str, Manifest]]:
    for key in store.keys(table):
        if manifest := store.manifest(table, key):
            yield key, manifest


def _quarantined_on(
    store: PartitionStore, bronze: Table, key: str, manifest: Manifest
) -> Iterator[Quarantined]:
    """Only parts of one row are looked at: a quarantined export has no other."""
    for part in manifest.parts:
        if part.export is not None and part.rows == 1 and (defect := _defect(store, bronze, key, part)):
            file = manifest.summary["exports"][part.export]["file"]
            yield Quarantined(file, date.fromisoformat(key), part.export, defect)


def _defect(store: PartitionStore, bronze: Table, key: str, part: Part) -> str | None:
    path = store.folder(bronze, key) / part.name
    [row] = (row for batch in read_batches([path], COLUMNS) for row in batch.to_pylist())
    return row["defect"] if row["record_number"] == WHOLE_EXPORT else None
