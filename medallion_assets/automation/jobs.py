"""The jobs: one per source for its micro-batches, and the nightly ones that settle and clear up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from medallion_assets.automation.batches import consecutive
from medallion_assets.automation.settle import outdated_days
from medallion_assets.curate.buckets import FOLDER_NAME
from medallion_assets.curate.buckets import sweep as sweep_buckets
from medallion_assets.stages import PipelineStages
from medallion_assets.storage.store import PartitionStore

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
NIGHTLY_CRON = "0 2 * * *"
SWEEP_CRON = "0 4 * * *"


def ingest_jobs(stages: PipelineStages) -> dict[str, UnresolvedAssetJobDefinition]:
    """By feed, the job that takes its exports from the landing folder through to gold."""
    return {
        bronze.source: dg.define_asset_job(
            f"ingest_{bronze.source}",
            selection=[dg.AssetKey(list(stage.asset_path)) for stage in stages.fed_by(bronze)],
            description=f"Takes new exports of {bronze.source} from the landing folder as far as they go.",
        )
        for bronze in stages.bronze()
    }


def nightly_schedule(
    stages: PipelineStages, days: dg.PartitionsDefinition[str], store: PartitionStore
) -> dg.ScheduleDefinition:
    """Every night, whatever is not as it would be if it were built now, is built."""
    job = dg.define_asset_job(
        "settle_everything",
        selection=dg.AssetSelection.groups("bronze", "silver", "gold"),
        description="Rebuilds what late landings, new code or new configuration made stale; skips the rest.",
    )

    @dg.schedule(
        job=job,
        cron_schedule=NIGHTLY_CRON,
        name="nightly",
        description="Every night at 02:00 UTC, rebuilds what is not as it would be if it were built now.",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        outdated = [day for day in outdated_days(stages, store) if is_partition(days, day)]
        if not outdated:
            yield dg.SkipReason("every partition is as it would be if it were built now")
        for group in consecutive(outdated):
            night = context.scheduled_execution_time.date().isoformat()
            first, last = group[0], group[-1]
            yield run_request(first, last, run_key=f"{night}:{first}:{last}", tags={})

    return nightly


def sweep_schedule(stages: PipelineStages, store: PartitionStore) -> dg.ScheduleDefinition:
    """Every night, files of superseded generations and of crashed writers are removed."""

    @dg.op(name="sweep")
    def sweep(context) -> None:  # type: ignore[no-untyped-def]  # Dagster refuses postponed annotations here
        for stage in stages.all():
            removed = store.sweep(stage.table)
            context.log.info(f"{stage.table.full_name}: removed {len(removed)} files that no partition names")
        removed = [path for unit in stages.units for path in sweep_buckets(store.root / FOLDER_NAME / unit)]
        context.log.info(f"removed {len(removed)} files of buckets that nobody asks for any more")

    @dg.job(name="sweep_store", executor_def=dg.in_process_executor)
    def sweep_store() -> None:
        """Removes superseded parts after their grace period, and what crashed writers left."""
        sweep()

    return dg.ScheduleDefinition(
        name="sweep",
        description="Every night at 04:00 UTC, removes files that no partition names any more.",
        job=sweep_store,
        cron_schedule=SWEEP_CRON,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )


def run_request(first: date, last: date, *, run_key: str, tags: Mapping[str, str]) -> dg.RunRequest:
    """A run of one partition, or one single run over a range of them."""
    if first == last:
        return dg.RunRequest(run_key=run_key, partition_key=first.isoformat(), tags=tags)
    ends = {RANGE_START: first.isoformat(), RANGE_END: last.isoformat()}
    return dg.RunRequest(run_key=run_key, tags={**tags, **ends})


def is_partition(days: dg.PartitionsDefinition[str], day: date) -> bool:
    return days.has_partition_key(day.isoformat())
