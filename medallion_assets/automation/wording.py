"""From Dagster's objects to happenings: what each is called, its partitions, and its reason in words.

Belongs here: conversions, one a kind. Does not: finding the objects (happenings.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import dagster as dg
from dagster._core.events import JobFailureData
from dagster._daemon.types import DaemonHeartbeat
from dagster_shared.error import SerializableErrorInfo

from medallion_assets.alerts.fingerprint import fingerprint, partitions_named
from medallion_assets.alerts.happening import (
    EVERYTHING,
    Happening,
    Kind,
    Severity,
    Span,
    Subject,
    Trouble,
)
from medallion_assets.alerts.ledger import MAX_REMEMBERED
from medallion_assets.alerts.text import inert
from medallion_assets.automation.findings import DISK_ROOM, FRESHNESS, UP_TO_DATE
from medallion_assets.automation.jobs import RANGE_END, RANGE_START
from medallion_assets.automation.streams import CONSUMED
from medallion_assets.checks.partitions import CHECKED
from medallion_assets.storage.manifest import digest_of

PARTITION_TAG = "dagster/partition"
ASSET_JOB = "__ASSET_JOB"
# Checks that look at the whole asset, whichever partitions their run is for.
LOOK_AT_EVERYTHING = frozenset({CONSUMED, DISK_ROOM, FRESHNESS, UP_TO_DATE, "readable_exports"})
MAX_REASON = 300


def check_key(asset: dg.AssetKey, name: str) -> str:
    return f"{Kind.CHECK}:{asset.to_user_string()}:{name}"


def of_check(
    evaluation: dg.AssetCheckEvaluation, at: float, run_id: str, run: dg.DagsterRun | None
) -> Happening:
    asset = evaluation.asset_key
    page = "/assets/" + "/".join(quote(part, safe="") for part in asset.path) + "?view=checks"
    name = evaluation.check_name
    title = f"{asset.to_user_string()}: {name}"
    subject = Subject(Kind.CHECK, check_key(asset, name), title, page)
    link = _run_link(run_id) if run_id else None
    looked_at = _looked_at(evaluation, run_id, run)
    if evaluation.passed:
        return Happening(subject, at, looked_at, link=link)
    # Which partitions were looked at is no fault of theirs.
    metadata = {name: _plain(value) for name, value in evaluation.metadata.items() if name != CHECKED}
    named = tuple(Span(key, key) for key in partitions_named(metadata)[:MAX_REMEMBERED])
    spans = named or looked_at or (EVERYTHING,)
    severity = Severity.WARNING if evaluation.severity is dg.AssetCheckSeverity.WARN else Severity.ERROR
    where = [] if named else [[span.first, span.last] for span in spans]
    # The spans are names: two days that fail are two failures, even if nothing names them.
    identity = digest_of(where) if where else ""
    reason = _check_reason(evaluation.description, metadata)
    print_ = fingerprint(severity, evaluation.description or "", metadata, identity)
    return Happening(subject, at, spans, Trouble(severity, reason, print_), link)


def of_failed_run(event: dg.DagsterEvent, at: float, run: dg.DagsterRun, *, cause: str = "") -> Happening:
    """`cause` where the run was ended from outside, and its event knows no error."""
    data = event.event_specific_data
    known = data if isinstance(data, JobFailureData) else JobFailureData(None)
    step = known.first_step_failure_event
    error = step.step_failure_data.error if step is not None else known.error
    told = _error_text(error) or cause or event.message or "no reason was given"
    reason = f"step {step.step_key}: {told}" if step is not None else told
    spans = _spans(run.tags)
    identity = digest_of([[span.first, span.last] for span in spans])
    trouble = Trouble(Severity.ERROR, inert(reason, MAX_REASON), fingerprint(reason[:2000], identity))
    return Happening(_run_subject(run), at, spans, trouble, _run_link(run.run_id))


def of_run(at: float, run: dg.DagsterRun) -> Happening:
    return Happening(_run_subject(run), at, _spans(run.tags), link=_run_link(run.run_id))


def automation_subject(kind: str, name: str, selector: str) -> Subject:
    return Subject(Kind.AUTOMATION, f"{Kind.AUTOMATION}:{name}:{selector}", f"{kind} {name}", "/automation")


def of_tick(subject: Subject, at: float, error: SerializableErrorInfo | None) -> Happening:
    reason = _error_text(error) or "its tick failed, and gave no reason"
    trouble = Trouble(Severity.ERROR, inert(reason, MAX_REASON), fingerprint(reason[:2000]))
    return Happening(subject, at, trouble=trouble)


def of_daemon(name: str, heartbeat: DaemonHeartbeat, *, healthy: bool, now: float) -> Happening:
    title = f"daemon {name.lower()}"
    subject = Subject(Kind.DAEMON, f"{Kind.DAEMON}:{name}", title, "/deployment/daemons")
    if healthy:
        return Happening(subject, now)
    errors = [_error_text(error) for error in heartbeat.errors or ()]
    silent = f"no sign of life for {(now - heartbeat.timestamp) / 60:.0f} minutes"
    reason = errors[0] if errors else silent
    trouble = Trouble(Severity.ERROR, inert(reason, MAX_REASON), fingerprint(reason[:2000]))
    return Happening(subject, now, trouble=trouble)


def _run_subject(run: dg.DagsterRun) -> Subject:
    """Ad hoc runs share one job, so what they were to materialize tells them apart."""
    if not run.job_name.startswith(ASSET_JOB):
        return Subject(Kind.RUN, f"{Kind.RUN}:{run.job_name}:", run.job_name, "/runs")
    assets = sorted(key.to_user_string() for key in run.asset_selection or ())
    more = f" and {len(assets) - 1} more" if len(assets) > 1 else ""
    title = f"materialization of {assets[0]}{more}" if assets else "materialization of everything"
    return Subject(Kind.RUN, f"{Kind.RUN}:{run.job_name}:{digest_of(assets)[:16]}", title, "/runs")


def _looked_at(
    evaluation: dg.AssetCheckEvaluation, run_id: str, run: dg.DagsterRun | None
) -> tuple[Span, ...]:
    """Which partitions a verdict is about; none where the run is gone, since nobody knows."""
    if evaluation.partition is not None:
        return (Span(evaluation.partition, evaluation.partition),)
    if not run_id or evaluation.check_name in LOOK_AT_EVERYTHING:
        return (EVERYTHING,)
    return _spans(run.tags) if run is not None else ()


def _spans(tags: Mapping[str, str]) -> tuple[Span, ...]:
    if partition := tags.get(PARTITION_TAG):
        return (Span(partition, partition),)
    if RANGE_START in tags and RANGE_END in tags:
        return (Span(tags[RANGE_START], tags[RANGE_END]),)
    return (EVERYTHING,)


def _run_link(run_id: str) -> str:
    return f"/runs/{quote(run_id, safe='')}"


def _check_reason(description: str | None, metadata: Mapping[str, Any]) -> str:
    """What the check says, and what it shows of it: numbers first, nothing that is zero or empty."""
    told = sorted(metadata.items(), key=lambda pair: isinstance(pair[1], dict | list))
    shown = [f"{name}: {_text(value)}" for name, value in told if value]
    return inert(". ".join(filter(None, [description, "; ".join(shown)])), MAX_REASON)


def _text(value: Any) -> str:
    match value:
        case dict():
            return ", ".join(f"{name}: {_text(inner)}" for name, inner in value.items())
        case list():
            return " / ".join(map(_text, value))
        case _:
            return str(value)


def _plain(value: dg.MetadataValue[Any]) -> Any:
    if isinstance(value, dg.TableMetadataValue):
        return [dict(record.data) for record in value.records]
    plain = value.value
    return plain if isinstance(plain, str | int | float | dict | list) else str(plain)


def _error_text(error: SerializableErrorInfo | None) -> str:
    """The innermost cause: Dagster wraps what was raised."""
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error is not None else ""
