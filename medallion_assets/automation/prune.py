"""The nightly pruning of Dagster's history: a job and its schedule.

Belongs here: what is kept, how much a night removes. Does not: what the UI still needs (history.py). Ticks
have a retention of their own, in dagster.yaml.
No postponed annotations in this module: Dagster reads the config's.
"""

from datetime import UTC, datetime, timedelta
from itertools import islice

import dagster as dg

from medallion_assets.automation import history

PRUNE_CRON = "0 3 * * *"
MAX_RUNS_A_NIGHT = 5_000


class Retention(dg.Config):
    """For how long history stays, and how many runs of each job stay however old they are."""

    days: int = 30
    runs_per_job: int = 20


def prune_schedule() -> dg.ScheduleDefinition:
    """Every night, runs go that are old and that no status in the UI comes from."""

    @dg.op(name="prune")
    def prune_op(context: dg.OpExecutionContext, config: Retention) -> None:
        for line in pruned(context.instance, config, now=datetime.now(UTC)):
            context.log.info(line)

    @dg.job(name="prune_history", executor_def=dg.in_process_executor)
    def prune_history() -> None:
        """Removes old runs, their events and output; what each partition and check shows stays as it is."""
        prune_op()

    return dg.ScheduleDefinition(
        name="prune",
        job=prune_history,
        cron_schedule=PRUNE_CRON,
        description="Every night at 03:00 UTC, removes old runs that nothing shown in the UI comes from.",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )


def pruned(instance: dg.DagsterInstance, keep: Retention, *, now: datetime) -> list[str]:
    """Removes what may go; what was removed, in words."""
    before = now - timedelta(days=keep.days)
    runs = history.superseded_runs(instance, before=before, newest_kept=keep.runs_per_job)
    # Looked up first: what is removed while pages are turned would shift them.
    going = [run.run_id for run in islice(runs, MAX_RUNS_A_NIGHT)]
    for run_id in going:
        history.remove_run(instance, run_id)
    verdicts = history.remove_old_verdicts(instance, before=before)
    files = history.remove_files_of_gone_runs(instance, before=before)
    return [
        f"removed {len(going)} runs that ended before {before:%Y-%m-%d} and that nothing shown comes from",
        f"removed {verdicts} verdicts of checks that were followed by others",
        f"removed {files} files of runs that are gone",
    ]
