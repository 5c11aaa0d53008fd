"""Exports that could not be taken apart, as bronze holds them: one row, with the defect.

Belongs here: telling such a part from the others. Does not: why an export is quarantined (ingest.py).
"""

from __future__ import annotations

from medallion_assets.extract.ingest import WHOLE_EXPORT
from medallion_assets.storage.manifest import Part
from medallion_assets.storage.parts import read_batches
from medallion_assets.storage.store import PartitionStore, Table

COLUMNS = ("record_number", "defect")


def defect_of(store: PartitionStore, bronze: Table, key: str, part: Part) -> str | None:
    """Why nothing of the export could be read, if so. Only parts of one row are looked at."""
    if part.rows != 1:
        return None
    [row] = (
        row for batch in read_batches([store.path(bronze, key, part)], COLUMNS) for row in batch.to_pylist()
    )
    return row["defect"] if row["record_number"] == WHOLE_EXPORT else None
