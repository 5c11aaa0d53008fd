"""Which landing dates are not what they would be if they were built now.

Belongs here: the comparison of the store with its inputs, as a plain function. Does not: running anything.
"""

from __future__ import annotations

from datetime import date

from medallion_assets.stage import is_outdated
from medallion_assets.stages import PipelineStages
from medallion_assets.storage.still import StillStore
from medallion_assets.storage.store import PartitionStore


def outdated_days(stages: PipelineStages, store: PartitionStore) -> set[date]:
    """Dates with an export that bronze lacks, or with a partition whose inputs or rules have changed."""
    days = {day for bronze in stages.bronze() for day in bronze.missing(store, bronze.inventory(store))}
    still = StillStore(store)
    for stage in stages.all():
        days |= {date.fromisoformat(key) for key in stage.due(still) if is_outdated(stage, still, key)}
    return days
