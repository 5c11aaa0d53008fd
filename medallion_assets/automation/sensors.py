"""One sensor per feed: it compares the landing folder with bronze and starts what is missing.

Belongs here: gathering, calling the decision, reporting. Does not: the decision (batches.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from medallion_assets.automation.batches import (
    MAX_ATTEMPTS,
    Batch,
    Decision,
    Outcome,
    PastRun,
    Request,
    decide,
    open_batches,
)
from medallion_assets.automation.jobs import is_partition, run_request
from medallion_assets.automation.untold import untold
from medallion_assets.extract.inventory import Inventory
from medallion_assets.extract.stage import BronzeStage
from medallion_assets.stage import Stage, is_outdated
from medallion_assets.storage.still import StillStore
from medallion_assets.storage.store import PartitionStore

# As often as the daemon looks at all.
INTERVAL_SECONDS = 5
SOURCE_TAG, BATCH_TAG = "medallion/source", "medallion/batch"
FIRST_TAG, LAST_TAG, ATTEMPT_TAG = "medallion/first_day", "medallion/last_day", "medallion/attempt"
# Dagster's own retries are for runs that nobody else would try again.
RETRIES_TAG = "dagster/max_retries"
# Older failures are settled by the nightly schedule, or wait for a person.
FAILURES_LOOKED_AT = timedelta(days=2)
MAX_FAILURES = 500
AT_WORK = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


def landing_sensor(
    bronze: BronzeStage,
    job: UnresolvedAssetJobDefinition,
    days: dg.PartitionsDefinition[str],
    store: PartitionStore,
    after: Sequence[Stage],
) -> dg.SensorDefinition:
    """`after` are the stages that an export goes on to once bronze has it."""
    name = bronze.source

    @dg.sensor(
        name=f"{name}_landing",
        job=job,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Every {INTERVAL_SECONDS} seconds, takes complete exports of {bronze.landing} "
        "through to gold, as a micro-batch that is tried again where it fails.",
    )
    def landing(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        # Runs first: one that ends meanwhile then counts as at work, and what it took is not asked for again.
        past = _past_runs(context.instance, name)
        still = StillStore(store)
        inventory = bronze.inventory(still)
        missing = bronze.missing(still, inventory)
        outside = sorted(day for day in missing if not is_partition(days, day))
        if outside:
            context.log.error(_outside_message(name, outside))
        inside = {day: exports for day, exports in missing.items() if day not in outside}
        batches = open_batches(inside, past, _behind(bronze, after, store, context.instance))
        decision = decide(batches, past, _attempts(context.instance, name, batches))
        for batch in decision.given_up:
            context.log.error(_given_up_message(name, batch))
        why = (
            _outside_message(name, outside) if outside else _why_idle(decision, inventory, dates=len(inside))
        )
        requests = [_run_request(name, request) for request in decision.requests]
        return dg.SensorResult(run_requests=requests, skip_reason=None if requests else dg.SkipReason(why))

    return landing


def _behind(
    bronze: BronzeStage, after: Sequence[Stage], store: PartitionStore, instance: dg.DagsterInstance
) -> Callable[[date], bool]:
    """Whether taking a date on from bronze would change anything or be news, or can't be told."""
    still = StillStore(store)

    def behind(day: date) -> bool:
        key = day.isoformat()
        try:
            return any(is_outdated(stage, still, key) for stage in after) or any(
                untold(instance, stage, still, [key]) for stage in (bronze, *after)
            )
        except Exception:  # a run says what is wrong, a tick that fails would keep other dates back
            return True

    return behind


def _run_request(source: str, request: Request) -> dg.RunRequest:
    return run_request(
        request.batch.first,
        request.batch.last,
        run_key=f"{source}:{request.batch.batch_id}:{request.attempt}",
        tags=_tags(source, request.batch, request.attempt),
    )


def _given_up_message(source: str, batch: Batch) -> str:
    return (
        f"{source} {batch.first} to {batch.last} failed {MAX_ATTEMPTS} times and is not tried again: "
        f"see its runs (tag {BATCH_TAG}={batch.batch_id}), mend the cause, materialize these dates"
    )


def _outside_message(source: str, outside: Sequence[date]) -> str:
    return (
        f"exports of {source} dated {', '.join(map(str, outside))} lie outside the partitions "
        "and are not taken: mend their date, or start_date in the configuration"
    )


def _why_idle(decision: Decision, inventory: Inventory, *, dates: int) -> str:
    why = f"runs are at work on {dates} dates" if dates else "bronze holds everything"
    if decision.given_up:
        why = f"gave up on {len(decision.given_up)} batches after {MAX_ATTEMPTS} attempts each"
    waiting = f"; waiting for {len(inventory.unsettled)} files to be complete" if inventory.unsettled else ""
    return why + waiting


def _past_runs(instance: dg.DagsterInstance, source: str) -> list[PastRun]:
    """The feed's micro-batches that are at work, and those that failed of late, newest first."""
    tags = {SOURCE_TAG: source}
    since = datetime.now(UTC) - FAILURES_LOOKED_AT
    failures = dg.RunsFilter(tags=tags, statuses=[dg.DagsterRunStatus.FAILURE], created_after=since)
    at_work = instance.get_runs(dg.RunsFilter(tags=tags, statuses=AT_WORK))
    failed = instance.get_runs(failures, limit=MAX_FAILURES)
    return [
        *(PastRun(_batch_of(run), Outcome.ACTIVE) for run in at_work),
        *(PastRun(_batch_of(run), Outcome.FAILED) for run in failed),
    ]


def _batch_of(run: dg.DagsterRun) -> Batch:
    first, last = (date.fromisoformat(run.tags[tag]) for tag in (FIRST_TAG, LAST_TAG))
    return Batch(run.tags[BATCH_TAG], first, last)


def _attempts(instance: dg.DagsterInstance, source: str, batches: Sequence[Batch]) -> dict[str, int]:
    """By batch, how many runs it ever had: a key that was used once starts nothing again."""
    return {
        batch.batch_id: instance.get_runs_count(
            dg.RunsFilter(tags={SOURCE_TAG: source, BATCH_TAG: batch.batch_id})
        )
        for batch in batches
    }


def _tags(source: str, batch: Batch, attempt: int) -> dict[str, str]:
    return {
        SOURCE_TAG: source,
        BATCH_TAG: batch.batch_id,
        FIRST_TAG: batch.first.isoformat(),
        LAST_TAG: batch.last.isoformat(),
        ATTEMPT_TAG: str(attempt),
        RETRIES_TAG: "0",
    }
