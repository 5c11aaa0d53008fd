"""How much of a source curation takes out of a unit: duplicates and contamination, as a share of its day.

Belongs here: what the unit's manifests tell of each source. Does not: asset checks (asset_checks.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from medallion_assets.storage.store import PartitionStore, Table

CONFORMED = "conformed"
# A share of fewer records says nothing.
LEAST_JUDGED = 20


@dataclass(frozen=True)
class Removal:
    """Of one source's conformed records of a day, how many went for which reason."""

    source: str
    key: str
    conformed: int
    reasons: Mapping[str, int]

    @property
    def rate(self) -> float:
        return sum(self.reasons.values()) / self.conformed if self.conformed >= LEAST_JUDGED else 0.0

    def shown(self) -> dict[str, object]:
        rate = round(self.rate, 4)
        return {"source": self.source, "partition": self.key, "rate": rate, "reasons": dict(self.reasons)}


def removals(store: PartitionStore, unit: Table, key: str) -> list[Removal]:
    """By source of the partition; none where it is not materialized."""
    manifest = store.manifest(unit, key)
    sources = manifest.summary.get("sources", {}) if manifest else {}
    return [
        Removal(source, key, counts.get(CONFORMED, 0), {k: n for k, n in counts.items() if k != CONFORMED})
        for source, counts in sources.items()
    ]
