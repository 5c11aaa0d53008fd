"""What Dagster's event log says of partitions, against what the store holds.

Belongs here: the comparison, for whatever test has both. Does not: the store's own checks.
"""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from medallion_assets.stages import PipelineStages
from medallion_assets.storage.io_manager import CONTENT_HASH_SHOWN
from medallion_assets.storage.store import PartitionStore


def disagreements(
    stages: PipelineStages, store: PartitionStore, history: dg.DagsterInstance
) -> Iterator[str]:
    """The latest materialization of each partition has the content hash of its manifest."""
    for stage in stages.all():
        key = dg.AssetKey(stage.asset_path)
        partitions = set(history.get_materialized_partitions(key))
        for day in sorted(partitions ^ set(store.keys(stage.table))):
            where = "the event log" if day in partitions else "the store"
            yield f"{stage.table.full_name} {day} is only in {where}"
        for day in sorted(partitions & set(store.keys(stage.table))):
            told, manifest = _content_hash(history, key, day), store.manifest(stage.table, day)
            if manifest is not None and told != (held := manifest.content_hash[:CONTENT_HASH_SHOWN]):
                yield f"{stage.table.full_name} {day}: the event log names {told}, not {held}"


def _content_hash(history: dg.DagsterInstance, key: dg.AssetKey, day: str) -> object:
    wanted = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[day])
    [record] = history.fetch_materializations(wanted, limit=1).records
    assert record.asset_materialization is not None
    return record.asset_materialization.metadata["content_hash"].value
