"""What must hold once a soak has come to rest; each verdict is a function that yields what does not.

Belongs here: the comparison of plan, store, event log and runs. Does not: bringing them about. Another thing
that must hold is one more function in VERDICTS.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import dagster as dg

from medallion_assets.automation.wording import check_key
from medallion_assets.checks.conservation import balance_of
from medallion_assets.extract.ledger import LEDGER_NAME, Ledger
from medallion_assets.stage import Stage
from medallion_assets.storage.store import Build, PartitionStore
from medallion_assets.trace.funnel import funnel_of
from medallion_assets.trace.landed import export_of
from medallion_assets.trace.reader import Reader, open_store
from medallion_assets_tests.agreement import disagreements
from medallion_assets_tests.soak.deliveries import Export
from medallion_assets_tests.soak.ground import Ground, stale_partitions
from medallion_assets_tests.soak.memory import Samples, quarters
from medallion_assets_tests.soak.pipeline import FAULT
from medallion_assets_tests.soak.receiver import Receiver

MAX_GROWTH_MIB = 64.0
CHECK_EVALUATION = dg.DagsterEventType.ASSET_CHECK_EVALUATION
STEP_FAILURE, RUN_FAILURE = dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE


@dataclass(frozen=True)
class Soaked:
    """All that a verdict may look at: the plan's exports, the ground, the instance's history, its memory."""

    exports: tuple[Export, ...]
    ground: Ground
    history: dg.DagsterInstance
    memory: Samples
    receiver: Receiver
    scratch: Path


def every_export_is_there_once(soaked: Soaked) -> Iterator[str]:
    """In bronze and in the ledger, and nothing that never was a whole file."""
    store = soaked.ground.store
    for bronze in soaked.ground.stages.bronze():
        expected = Counter(each.sha256 for each in soaked.exports if each.source == bronze.source)
        manifests = [store.manifest(bronze.table, key) for key in store.keys(bronze.table)]
        held = Counter(part.export for each in manifests if each for part in each.parts if part.export)
        claimed = Counter(Ledger(store.table_folder(bronze.table) / LEDGER_NAME).exports())
        for where, found in (("bronze", held), ("the ledger", claimed)):
            for sha256 in (expected - found) + (found - expected):
                many = f"{found[sha256]} times, not {expected[sha256]} times"
                yield f"{bronze.source}: export {sha256[:12]} is in {where} {many}"


def every_record_went_on_or_was_rejected(soaked: Soaked) -> Iterator[str]:
    """By export: as many as landed, and table by table what entered left."""
    with open_store(soaked.ground.roots.data) as reader:
        for export in soaked.exports:
            yield from _unbalanced(reader, export)


def _unbalanced(reader: Reader, export: Export) -> Iterator[str]:
    name = f"{export.source}/{export.name} ({export.sha256[:12]})"
    landed = export_of(reader, export.source, export.sha256)
    if landed is None:
        return  # told by every_export_is_there_once
    trace = funnel_of(reader, landed)
    if trace.records != export.rows:
        yield f"{name}: bronze holds {trace.records} records of {export.rows}"
    conformed, unit, *gold = trace.passages
    kept = [trace.records, conformed.kept, unit.kept]
    for entered, passage in zip(kept, (conformed, unit), strict=False):
        if passage.kept is None or passage.kept + sum(passage.rejected.values()) != entered:
            yield f"{name}: of {entered} records {passage} is left"
    for passage in gold:
        if passage.kept is None or passage.kept + sum(passage.rejected.values()) != unit.kept:
            yield f"{name}: of {unit.kept} records {passage} is left"


def records_are_conserved_by_identity(soaked: Soaked) -> Iterator[str]:
    store = soaked.ground.store
    for stage in soaked.ground.stages.all():
        for key in store.keys(stage.table):
            balance = balance_of(stage, store, key)
            if balance is not None and not balance.holds:
                yield f"{stage.table.full_name} {key}: {balance}"


def the_event_log_names_what_the_store_holds(soaked: Soaked) -> Iterator[str]:
    yield from disagreements(soaked.ground.stages, soaked.ground.store, soaked.history)


def nothing_is_stale(soaked: Soaked) -> Iterator[str]:
    """Once all has come to rest, building anything again would change nothing."""
    for name, key in stale_partitions(soaked.ground):
        yield f"{name} {key} is not what it would be if it were built now"


def the_order_of_arrival_does_not_show(soaked: Soaked) -> Iterator[str]:
    """Built from the same bronze, stage by stage and day by day, silver and gold are the same to the byte."""
    store, fresh = soaked.ground.store, PartitionStore(soaked.scratch)
    shutil.copytree(store.root / "bronze", fresh.root / "bronze")
    for stage in soaked.ground.stages.all():
        for key in store.keys(stage.table):
            if not stage.table.append_only:
                fresh.overwrite(stage.table, key, _build(stage, fresh, key))
            ours, theirs = store.manifest(stage.table, key), fresh.manifest(stage.table, key)
            if ours is None or theirs is None or ours.content_hash != theirs.content_hash:
                yield f"{stage.table.full_name} {key} comes out otherwise when built from the same bronze"


def _build(stage: Stage, store: PartitionStore, key: str) -> Build:
    build = stage.build(store, key)
    assert isinstance(build, Build)
    return build


def only_the_planted_fault_failed_runs(soaked: Soaked) -> Iterator[str]:
    for run in soaked.history.get_runs():
        if run.status not in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE):
            yield f"run {run.run_id} is {run.status.value}"
        if run.status is dg.DagsterRunStatus.FAILURE and FAULT not in (
            why := _why(soaked.history, run.run_id)
        ):
            yield f"run {run.run_id} failed: {why}"


def _why(history: dg.DagsterInstance, run_id: str) -> str:
    """The innermost cause of its first failed step; what Dagster says of the run where no step failed."""
    failures = history.all_logs(run_id, of_type={STEP_FAILURE, RUN_FAILURE})
    for event in (entry.dagster_event for entry in failures if entry.dagster_event):
        if event.event_type is STEP_FAILURE and (error := event.step_failure_data.error):
            while error.cause:
                error = error.cause
            return error.message.strip()
    return "\n".join(entry.user_message for entry in failures)


def every_alert_arrived_once(soaked: Soaked) -> Iterator[str]:
    """Each message once; each failed check and run in one; and none of what did not fail."""
    ids = Counter(message["id"] for message in soaked.receiver.messages)
    yield from (f"message {name} was taken {count} times" for name, count in ids.items() if count > 1)
    failed, told = failures(soaked.history), told_failures(soaked.receiver)
    yield from (f"nobody was told of {name}" for name in sorted(failed - told))
    yield from (f"{name} was told of, and did not fail" for name in sorted(told - failed))
    yield from repeated(soaked.receiver)


def repeated(receiver: Receiver) -> Iterator[str]:
    """The same failure told again, with no recovery between."""
    open_: set[tuple[str, str, str | None]] = set()
    for alert in (alert for message in receiver.messages for alert in message["alerts"]):
        if alert["news"] == "recovered":
            open_ = {each for each in open_ if each[0] != alert["key"]}
            continue
        failure = (alert["key"], alert["reason"], alert["partitions"])
        if failure in open_:
            yield f"{failure} was told twice"
        open_.add(failure)


def failures(history: dg.DagsterInstance) -> set[str]:
    """What failed, by the names that alerts give to checks and to jobs."""
    storage, wanted = history.event_log_storage, dg.EventRecordsFilter(CHECK_EVALUATION)
    events = (record.event_log_entry.dagster_event for record in storage.get_event_records(wanted))
    evaluations = [event.asset_check_evaluation_data for event in events if event is not None]
    runs = history.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
    return {check_key(each.asset_key, each.check_name) for each in evaluations if not each.passed} | {
        f"run:{run.job_name}" for run in runs
    }


def told_failures(receiver: Receiver) -> set[str]:
    """What alerts are about; ad hoc runs by the job that they share. A failure that was over before its
    message went out is told as a recovery alone."""
    alerts = [alert for message in receiver.messages for alert in message["alerts"]]
    checks = {alert["key"] for alert in alerts if alert["kind"] == "check"}
    return checks | {alert["key"].rpartition(":")[0] for alert in alerts if alert["kind"] == "run"}


def memory_is_bounded(soaked: Soaked) -> Iterator[str]:
    """After the first quarter, in which modules and caches fill."""
    for role, samples in soaked.memory.items():
        medians = quarters(samples)[1:]
        if medians and max(medians) - medians[0] > MAX_GROWTH_MIB:
            shown = " ".join(f"{before:.0f}-{after:.0f}" for before, after in pairwise(medians))
            yield f"the {role} grew from quarter to quarter, in MiB: {shown}"


VERDICTS: tuple[Callable[[Soaked], Iterator[str]], ...] = (
    every_export_is_there_once,
    every_record_went_on_or_was_rejected,
    records_are_conserved_by_identity,
    the_event_log_names_what_the_store_holds,
    nothing_is_stale,
    the_order_of_arrival_does_not_show,
    only_the_planted_fault_failed_runs,
    every_alert_arrived_once,
    memory_is_bounded,
)
