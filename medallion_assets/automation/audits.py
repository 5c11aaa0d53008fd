"""The weekly audit of all releases: a job of their checks alone, and its schedule."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

AUDIT_CRON = "0 5 * * 0"


def audit_schedule(checks: Sequence[dg.AssetChecksDefinition]) -> dg.ScheduleDefinition:
    """Every Sunday, each release is built again and compared; nothing is materialized."""
    job = dg.define_asset_job(
        "audit_releases",
        selection=dg.AssetSelection.checks(*(key for check in checks for key in check.check_keys)),
        description="Builds every release again from bronze and compares it byte for byte.",
    )
    return dg.ScheduleDefinition(
        name="audits",
        description="Every Sunday at 05:00 UTC, builds each release again and compares all bytes.",
        job=job,
        cron_schedule=AUDIT_CRON,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
