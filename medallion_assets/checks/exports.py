"""Exports that could not be taken apart, and rejects as a share of what landed.

Belongs here: what manifests and quarantine rows tell of a source. Does not: asset checks (asset_checks.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from medallion_assets.checks.finding import PARTITION, Fault, Finding, short
from medallion_assets.extract.quarantine import defect_of
from medallion_assets.storage.manifest import Manifest, Part
from medallion_assets.storage.store import PartitionStore, Table


@dataclass(frozen=True)
class Quarantined:
    """An export of which nothing could be read, and why."""

    file: str
    landing_date: date
    export_sha256: str
    defect: str


def quarantined(store: PartitionStore, bronze: Table) -> list[Quarantined]:
    """Of each file, the export that came last, where nothing of it could be read."""
    last = {
        manifest.summary["exports"][part.export]["file"]: (key, part)
        for key, manifest in _manifests(store, bronze)
        for part in _as_they_came(store, bronze, key, manifest)
        if part.export is not None
    }
    return [
        Quarantined(file, date.fromisoformat(key), str(part.export), defect)
        for file, (key, part) in last.items()
        if (defect := defect_of(store, bronze, key, part))
    ]


def unreadable_exports(bronze: Table, store: PartitionStore, keys: Sequence[str]) -> Finding:
    """Those in quarantine, whichever day they landed on: they are told until they are replaced."""
    faults: list[Fault] = [
        {
            PARTITION: each.landing_date.isoformat(),
            "file": each.file,
            "export": short(each.export_sha256),
            "what": each.defect,
        }
        for each in quarantined(store, bronze)
    ]
    return Finding.of(len(keys), sorted(faults, key=lambda fault: str(fault[PARTITION])))


def too_many_rejects(conformed: Table, store: PartitionStore, keys: Sequence[str], *, most: float) -> Finding:
    """Partitions of which more than this share was rejected."""
    rates = {key: reject_rate(store, conformed, key) for key in keys}
    faults: list[Fault] = [
        {
            PARTITION: key,
            "source": conformed.name.removesuffix("_conformed"),
            "rate": round(rate, 4),
            "limit": f"max_reject_rate {most:.0%}",
            "reasons": listed_rejects(store, conformed, key),
        }
        for key, rate in rates.items()
        if rate > most
    ]
    return Finding.of(len(keys), faults, highest_rate=round(max(rates.values(), default=0.0), 4))


def listed(counts: Mapping[str, int]) -> str:
    """Counts by reason as a line, the largest first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} {reason}" for reason, count in ordered)


def listed_rejects(store: PartitionStore, conformed: Table, key: str) -> str:
    manifest = store.manifest(conformed, key)
    return listed(manifest.summary.get("rejected", {}) if manifest else {})


def reject_rate(store: PartitionStore, conformed: Table, key: str) -> float:
    """Rejects as a share of all the partition's records; 0 where there are none."""
    manifest = store.manifest(conformed, key)
    total = manifest.rows + manifest.rejected_rows if manifest else 0
    return manifest.rejected_rows / total if manifest and total else 0.0


def _manifests(store: PartitionStore, table: Table) -> Iterator[tuple[str, Manifest]]:
    for key in store.keys(table):
        if manifest := store.manifest(table, key):
            yield key, manifest


def _as_they_came(store: PartitionStore, bronze: Table, key: str, manifest: Manifest) -> Sequence[Part]:
    """A file that is replaced keeps its landing date, so what came later shows in the clock alone."""
    if len(manifest.parts) < 2:
        return manifest.parts
    written = store.entries(bronze, key)
    return sorted(manifest.parts, key=lambda part: written[part.name].written_ns)
