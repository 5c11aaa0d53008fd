"""What the store holds and Dagster's log does not: a run may die between a partition's commit and its event.

Belongs here: the comparison. Does not: what follows from it. The date of a micro-batch that failed is taken
again (sensors.py), and a run that Dagster tries again tells of what the first one committed (settling.py).
"""

from __future__ import annotations

from collections.abc import Iterable

import dagster as dg

from medallion_assets.stage import Stage
from medallion_assets.storage.io_manager import CONTENT_HASH_SHOWN
from medallion_assets.storage.store import PartitionStore


def untold(
    instance: dg.DagsterInstance, stage: Stage, store: PartitionStore, keys: Iterable[str]
) -> set[str]:
    """The partitions whose present generation is not the one of their last event."""
    found = ((key, store.manifest(stage.table, key)) for key in keys)
    return {
        key
        for key, manifest in found
        if manifest is not None and _told(instance, stage, key) != manifest.content_hash[:CONTENT_HASH_SHOWN]
    }


def _told(instance: dg.DagsterInstance, stage: Stage, key: str) -> object:
    """The content hash that the event log names."""
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(stage.asset_path), asset_partitions=[key])
    for record in instance.fetch_materializations(wanted, limit=1).records:
        if record.asset_materialization and "content_hash" in record.asset_materialization.metadata:
            return record.asset_materialization.metadata["content_hash"].value
    return None
