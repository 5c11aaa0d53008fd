"""One sensor per feed: it compares the landing folder with bronze and starts what is missing.

Belongs here: gathering, calling the decision, reporting. Does not: the decision (batches.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from medallion_assets.automation.batches import MAX_ATTEMPTS, Batch, Decision, Outcome, PastRun, decide
from medallion_assets.automation.jobs import is_partition, run_request
from medallion_assets.extract.inventory import Inventory
from medallion_assets.extract.stage import BronzeStage
from medallion_assets.storage.store import PartitionStore

INTERVAL_SECONDS = 10
SOURCE_TAG, BATCH_TAG = "medallion/source", "medallion/batch"
FIRST_TAG, LAST_TAG, ATTEMPT_TAG = "medallion/first_day", "medallion/last_day", "medallion/attempt"
# Enough to see every attempt of every batch that can still be open.
RUNS_LOOKED_AT = 500


def landing_sensor(
    bronze: BronzeStage,
    job: UnresolvedAssetJobDefinition,
    days: dg.PartitionsDefinition[str],
    store: PartitionStore,
) -> dg.SensorDefinition:
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
        inventory = bronze.inventory(store)
        missing = bronze.missing(store, inventory)
        outside = sorted(day for day in missing if not is_partition(days, day))
        if outside:
            context.log.error(_outside_message(name, outside))
        inside = {day: exports for day, exports in missing.items() if day not in outside}
        decision = decide(inside, _past_runs(context.instance, name))
        for batch in decision.given_up:
            context.log.error(
                f"{name} {batch.first} to {batch.last} failed {MAX_ATTEMPTS} times and is not tried again: "
                f"see its runs (tag {BATCH_TAG}={batch.batch_id}), mend the cause, materialize these dates"
            )
        requests = [
            run_request(
                request.batch.first,
                request.batch.last,
                run_key=f"{name}:{request.batch.batch_id}:{request.attempt}",
                tags=_tags(name, request.batch, request.attempt),
            )
            for request in decision.requests
        ]
        why = (
            _outside_message(name, outside) if outside else _why_idle(decision, inventory, dates=len(inside))
        )
        skip = None if requests else dg.SkipReason(why)
        return dg.SensorResult(run_requests=requests, skip_reason=skip)

    return landing


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
    """The source's micro-batches, newest first."""
    runs = instance.get_runs(dg.RunsFilter(tags={SOURCE_TAG: source}), limit=RUNS_LOOKED_AT)
    return [
        PastRun(
            Batch(
                run.tags[BATCH_TAG],
                date.fromisoformat(run.tags[FIRST_TAG]),
                date.fromisoformat(run.tags[LAST_TAG]),
            ),
            _outcome(run.status),
        )
        for run in runs
        if BATCH_TAG in run.tags
    ]


def _outcome(status: dg.DagsterRunStatus) -> Outcome:
    """A run that a person cancelled is not tried again for its own sake."""
    if status is dg.DagsterRunStatus.FAILURE:
        return Outcome.FAILED
    finished = status in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.CANCELED)
    return Outcome.DONE if finished else Outcome.ACTIVE


def _tags(source: str, batch: Batch, attempt: int) -> dict[str, str]:
    return {
        SOURCE_TAG: source,
        BATCH_TAG: batch.batch_id,
        FIRST_TAG: batch.first.isoformat(),
        LAST_TAG: batch.last.isoformat(),
        ATTEMPT_TAG: str(attempt),
    }
