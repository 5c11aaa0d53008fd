"""How full the bins of an SFT recipe are.

Belongs here: what manifests tell of packing. Does not: packing (package/packing/).
"""

from __future__ import annotations

from collections.abc import Sequence

from medallion_assets.checks.finding import PARTITION, Fault, Finding
from medallion_assets.package.stage import GoldStage
from medallion_assets.storage.store import PartitionStore

# The last bin of a partition holds what is left over: of fewer bins than these it is too large a part.
LEAST_BINS = 10


def empty_bins(recipe: GoldStage, store: PartitionStore, keys: Sequence[str], *, least: float) -> Finding:
    """Partitions whose bins, but for one that takes what is left over, are less full than `least`."""
    table, room = recipe.table, recipe.packaging.max_length
    faults: list[Fault] = []
    judged, lowest = 0, 1.0
    for key in keys:
        manifest = store.manifest(table, key)
        bins, tokens = (manifest.summary.get(name, 0) if manifest else 0 for name in ("bins", "tokens"))
        if bins < LEAST_BINS:
            continue
        filled = min(tokens / ((bins - 1) * room), 1.0)
        judged, lowest = judged + 1, min(lowest, filled)
        if filled < least:
            figures = {"filled": round(filled, 4), "limit": least, "bins": bins, "tokens": tokens}
            faults.append({PARTITION: key, **figures, "max_length": room})
    return Finding.of(judged, faults, **({"lowest": round(lowest, 4)} if judged else {}))
