"""Bronze never changes: what it took is there, as it was written.

Belongs here: what sizes and the clock tell of a day of bronze. Does not: reading rows, or the bytes of files
that nobody has touched (intact.py takes samples of those). An export that no manifest names, though its bytes
were kept, is no fault: the next run takes it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from medallion_assets.checks.finding import PARTITION, Fault, Finding, short
from medallion_assets.extract.stage import BronzeStage
from medallion_assets.storage.manifest import MANIFEST_NAME, Manifest, Part
from medallion_assets.storage.place import Entry
from medallion_assets.storage.store import PartitionStore


def changes(bronze: BronzeStage, store: PartitionStore, keys: Sequence[str]) -> Finding:
    """What is not as it was written on these days."""
    faults: list[Fault] = []
    parts = 0
    for key in keys:
        if manifest := store.manifest(bronze.table, key):
            parts += len(manifest.parts)
            faults += _changed_parts(bronze, store, key, manifest)
    return Finding.of(len(keys), sorted(faults, key=lambda fault: str(fault[PARTITION])), files=parts)


def _changed_parts(
    bronze: BronzeStage, store: PartitionStore, key: str, manifest: Manifest
) -> Iterator[Fault]:
    there = store.entries(bronze.table, key)
    for part in manifest.parts:
        if what := _what_changed(store, bronze, key, part, there):
            export = manifest.summary["exports"].get(part.export, {})
            yield {
                PARTITION: key,
                "export": short(part.export or ""),
                "file": export.get("file"),
                "what": f"{part.name} {what}",
            }


def _what_changed(
    store: PartitionStore, bronze: BronzeStage, key: str, part: Part, there: Mapping[str, Entry]
) -> str | None:
    """A manifest is written after its parts, so that only one touched since can have other bytes."""
    found, manifest = there.get(part.name), there.get(MANIFEST_NAME)
    if found is None:
        return "is gone: materialize the day again"
    if found.size != part.size:
        return f"has {found.size} bytes instead of {part.size}: delete it and materialize the day again"
    touched = manifest is None or found.written_ns > manifest.written_ns
    if touched and store.wrong(bronze.table, key, part):
        return "has other bytes than were written: delete it and materialize the day again"
    return None
