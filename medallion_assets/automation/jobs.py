"""The jobs: one per source for its micro-batches, and the nightly ones that settle and clear up."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from medallion_assets.automation.batches import consecutive
from medallion_assets.automation.one_run import runs
from medallion_assets.automation.settle import landed_days
from medallion_assets.automation.settling import SETTLE_EVERYTHING, SETTLE_TAG, Settling
from medallion_assets.curate.buckets import FOLDER_NAME
from medallion_assets.curate.buckets import sweep as sweep_buckets
from medallion_assets.release.sweep import sweep as sweep_releases
from medallion_assets.stages import PipelineStages
from medallion_assets.storage.store import PartitionStore

SETTLE_JOB = "settle_everything"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
# Of the runs of jobs, the console shows what people read; all events are in the UI.
CONSOLE = {"loggers": {"console": {"config": {"log_level": "INFO"}}}}
NIGHTLY_CRON = "0 2 * * *"
SWEEP_CRON = "0 4 * * *"


def ingest_jobs(
    stages: PipelineStages, watched: Collection[dg.AssetCheckKey]
) -> dict[str, UnresolvedAssetJobDefinition]:
    """By feed, the job that takes its exports from the landing folder through to gold.

    Without the checks that are `watched` anyway, so that a batch takes no longer for them.
    """
    return {
        bronze.source: dg.define_asset_job(
            ingest_job_name(bronze.source),
            selection=_assets(stage.asset_path for stage in stages.fed_by(bronze))
            - dg.AssetSelection.checks(*watched),
            config=CONSOLE,
            description=f"Takes new exports of {bronze.source} from the landing folder as far as they go.",
        )
        for bronze in stages.bronze()
    }


def nightly_schedule(
    settling: Settling, days: dg.PartitionsDefinition[str], watched: Collection[dg.AssetCheckKey]
) -> dg.ScheduleDefinition:
    """Every night, whatever is not as it would be if it were built now, is built."""
    job = dg.define_asset_job(
        SETTLE_JOB,
        selection=dg.AssetSelection.groups("bronze", "silver", "gold") - dg.AssetSelection.checks(*watched),
        tags={SETTLE_TAG: SETTLE_EVERYTHING},
        config=CONSOLE,
        description="Rebuilds what late landings, new code or new configuration made stale, on all landing "
        "dates whatever date it is run for; skips the rest.",
    )

    @dg.schedule(
        job=job,
        cron_schedule=NIGHTLY_CRON,
        name="nightly",
        description="Every night at 02:00 UTC, rebuilds what is not as it would be if it were built now.",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        night = context.scheduled_execution_time.date().isoformat()
        requests = list(_nightly_requests(settling, days, context.instance, night))
        yield from requests
        if not requests:
            yield dg.SkipReason("every partition is as it would be if it were built now, or has to wait")

    return nightly


def _nightly_requests(
    settling: Settling, days: dg.PartitionsDefinition[str], instance: dg.DagsterInstance, night: str
) -> Iterator[dg.RunRequest]:
    """Exports that nobody took make ranges of dates; all else is settled by as few runs as can be."""
    landed = landed_days(settling.stages, settling.store)
    for group in consecutive([day for day in landed if is_partition(days, day)]):
        first, last = group[0], group[-1]
        yield run_request(first, last, run_key=f"{night}:{first}:{last}", tags={})
    # Micro-batches that never cease must not starve what only the night settles; locks keep the order.
    now = replace(settling.situation(instance), busy=())
    askable = {
        path: {key for key in keys if days.has_partition_key(key)} for path, keys in now.askable.items()
    }
    for number, run in enumerate(runs(now.flow, now.ready, askable)):
        yield dg.RunRequest(
            run_key=f"{night}:settle:{number}",
            partition_key=run.key,
            asset_selection=[dg.AssetKey(path) for path in run.paths],
            tags={SETTLE_TAG: SETTLE_EVERYTHING},
        )


def sweep_schedule(stages: PipelineStages, store: PartitionStore) -> dg.ScheduleDefinition:
    """Every night, files of superseded generations and of crashed writers are removed."""

    @dg.op(name="sweep")
    def sweep(context) -> None:  # type: ignore[no-untyped-def]  # Dagster refuses postponed annotations here
        for stage in stages.all():
            removed = store.sweep(stage.table)
            context.log.info(f"{stage.table.full_name}: removed {len(removed)} files that no partition names")
        removed = [path for unit in stages.units for path in sweep_buckets(store.root / FOLDER_NAME / unit)]
        context.log.info(f"removed {len(removed)} files of buckets that nobody asks for any more")
        unfinished = sweep_releases(store.root)
        context.log.info(f"removed {len(unfinished)} releases that were never finished")

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


def tables_by_job(stages: PipelineStages) -> dict[str, list[tuple[str, str]]]:
    """What a run of a job builds that names no tables itself."""
    fed = {
        ingest_job_name(bronze.source): [stage.asset_path for stage in stages.fed_by(bronze)]
        for bronze in stages.bronze()
    }
    return {**fed, SETTLE_JOB: [stage.asset_path for stage in stages.all()]}


def ingest_job_name(source: str) -> str:
    return f"ingest_{source}"


def _assets(paths: Iterable[tuple[str, str]]) -> dg.AssetSelection:
    return dg.AssetSelection.assets(*(dg.AssetKey(path) for path in paths))


def run_request(first: date, last: date, *, run_key: str, tags: Mapping[str, str]) -> dg.RunRequest:
    """A run of one partition, or one single run over a range of them."""
    if first == last:
        return dg.RunRequest(run_key=run_key, partition_key=first.isoformat(), tags=tags)
    ends = {RANGE_START: first.isoformat(), RANGE_END: last.isoformat()}
    return dg.RunRequest(run_key=run_key, tags={**tags, **ends})


def is_partition(days: dg.PartitionsDefinition[str], day: date) -> bool:
    return days.has_partition_key(day.isoformat())
