"""How much of a source curation takes out of a unit: duplicates and contamination, as a share of its day.

Belongs here: what the unit's manifests tell of each source. Does not: asset checks (asset_checks.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medallion_assets.checks.exports import listed
from medallion_assets.checks.finding import PARTITION, Fault, Finding
from medallion_assets.config.pipeline import DEFAULT_REMOVAL_RATE
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


def removals(store: PartitionStore, unit: Table, key: str) -> list[Removal]:
    """By source of the partition; none where it is not materialized."""
    manifest = store.manifest(unit, key)
    sources = manifest.summary.get("sources", {}) if manifest else {}
    return [
        Removal(source, key, counts.get(CONFORMED, 0), {k: n for k, n in counts.items() if k != CONFORMED})
        for source, counts in sources.items()
    ]


def too_many_removals(
    unit: Table, limits: Mapping[str, float], store: PartitionStore, keys: Sequence[str]
) -> Finding:
    """Sources and days of which more went than the source's limit, by name, allows."""
    found = [removal for key in keys for removal in removals(store, unit, key)]
    faults: list[Fault] = [
        {
            PARTITION: each.key,
            "source": each.source,
            "rate": round(each.rate, 4),
            "limit": f"max_removal_rate {limits.get(each.source, DEFAULT_REMOVAL_RATE):.0%}",
            "reasons": listed(each.reasons),
        }
        for each in found
        if each.rate > limits.get(each.source, DEFAULT_REMOVAL_RATE)
    ]
    highest = max((each.rate for each in found), default=0.0)
    return Finding.of(len(keys), faults, highest_rate=round(highest, 4))
