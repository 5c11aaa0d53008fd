"""Which partitions a check looks at, and how its evaluation says which of them failed.

A run may be for a range, and Dagster keeps no partition of such an evaluation: what is built later reads it
from the metadata. Does not belong here: what is checked.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import dagster as dg

from medallion_assets.stage import Stage
from medallion_assets.storage.store import PartitionStore

EVENTS_LOOKED_AT = 5_000
CHECKED, FAILED = "partitions", "failed_partitions"


def partitions_metadata(checked: Collection[str], failed: Collection[str]) -> dict[str, Any]:
    return {
        CHECKED: dg.MetadataValue.json(sorted(checked)),
        FAILED: dg.MetadataValue.json(sorted(failed)),
    }


def partitions_of_run(
    context: dg.AssetCheckExecutionContext, stage: Stage, store: PartitionStore
) -> list[str]:
    """The materialized partitions that the run was asked for or settled too; all where it names none."""
    present = store.keys(stage.table)
    if not context.has_partition_key and not context.has_partition_key_range:
        return present
    wanted = {*context.partition_keys, *_written(context, dg.AssetKey(stage.asset_path))}
    return [key for key in present if key in wanted]


def _written(context: dg.AssetCheckExecutionContext, asset: dg.AssetKey) -> set[str]:
    """The partitions that this run has materialized."""
    record = context.instance.get_run_record_by_id(context.run.run_id)
    if record is None:
        return set()
    since = dg.AssetRecordsFilter(asset, after_timestamp=record.create_timestamp.timestamp() - 1)
    found = context.instance.fetch_materializations(since, limit=EVENTS_LOOKED_AT).records
    return {each.partition_key for each in found if each.run_id == context.run.run_id and each.partition_key}
