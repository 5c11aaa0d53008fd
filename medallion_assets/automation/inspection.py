"""The nightly inspection of the store: a job of its checks alone, and its schedule."""

from __future__ import annotations

import dagster as dg

# After what is stale has been settled, before superseded files are swept.
INSPECTION_CRON = "30 3 * * *"


def inspection_schedule(checks: dg.AssetChecksDefinition) -> dg.ScheduleDefinition:
    """Every night, the store's files are looked at and samples are built again; nothing is materialized."""
    job = dg.define_asset_job(
        "inspect_store",
        selection=dg.AssetSelection.checks(*checks.check_keys),
        description="Looks for damaged files and repeated records, builds a partition of each table again.",
    )
    return dg.ScheduleDefinition(
        name="inspection",
        job=job,
        cron_schedule=INSPECTION_CRON,
        description="Every night at 03:30 UTC, looks for damaged files and builds samples again to compare.",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
