"""What blocking checks refused, from the evaluations that Dagster keeps.

Belongs here: asking the instance. Does not: what follows from the answers (held.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
)

from medallion_assets.automation.held import Evaluation, refused
from medallion_assets.checks.partitions import CHECKED, FAILED
from medallion_assets.stages import PipelineStages
from medallion_assets.storage.store import PartitionStore

# A failure further back than this many others of the same check is forgotten.
FAILURES_LOOKED_AT = 50
# Since the oldest of them; with more, a failure that was mended long ago may still hold back.
PASSES_LOOKED_AT = 500
Path = tuple[str, str]


def blocking_checks(checks: Iterable[dg.AssetChecksDefinition]) -> dict[Path, list[dg.AssetCheckKey]]:
    """By the table that they stand on."""
    found: dict[Path, list[dg.AssetCheckKey]] = {}
    for check in checks:
        for spec in check.check_specs:
            if spec.blocking and len(spec.asset_key.path) == 2:
                layer, name = spec.asset_key.path
                found.setdefault((layer, name), []).append(spec.key)
    return found


def refused_partitions(
    instance: dg.DagsterInstance,
    blocking: Mapping[Path, Sequence[dg.AssetCheckKey]],
    stages: PipelineStages,
    store: PartitionStore,
) -> dict[Path, set[str]]:
    """By table, the partitions that a blocking check failed on when it last looked at them."""
    found: dict[Path, set[str]] = {}
    for stage in stages.all():
        for key in blocking.get(stage.asset_path, ()):
            if evaluations := _evaluations(instance, key):
                bad = refused(evaluations, store.keys(stage.table))
                found[stage.asset_path] = found.get(stage.asset_path, set()) | bad
    return {path: keys for path, keys in found.items() if keys}


def _evaluations(instance: dg.DagsterInstance, key: dg.AssetCheckKey) -> list[Evaluation]:
    """Newest first, back to the first failure; none where nothing failed, which is one cheap question."""
    failed = _history(instance, key, AssetCheckExecutionRecordStatus.FAILED, FAILURES_LOOKED_AT)
    if not failed:
        return []
    oldest = min(record.id for record in failed)
    passed = _history(instance, key, AssetCheckExecutionRecordStatus.SUCCEEDED, PASSES_LOOKED_AT)
    records = [*failed, *(record for record in passed if record.id > oldest)]
    return list(_told(sorted(records, key=lambda record: -record.id)))


def _history(
    instance: dg.DagsterInstance, key: dg.AssetCheckKey, status: AssetCheckExecutionRecordStatus, limit: int
) -> Sequence[AssetCheckExecutionRecord]:
    storage = instance.event_log_storage
    return storage.get_asset_check_execution_history(key, limit=limit, status={status})


def _told(records: Iterable[AssetCheckExecutionRecord]) -> Iterator[Evaluation]:
    for record in records:
        if found := record.evaluation:
            yield Evaluation(
                found.passed, _keys(found.metadata.get(CHECKED)), _keys(found.metadata.get(FAILED))
            )


def _keys(value: Any) -> frozenset[str] | None:
    found = value.value if isinstance(value, dg.JsonMetadataValue) else None
    return frozenset(map(str, found)) if isinstance(found, list) else None
