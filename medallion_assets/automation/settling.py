"""The situation of the whole pipeline at one moment: what is outdated, what stands in its way, what to run.

Belongs here: putting the store's judgement together with what Dagster knows (failed checks, runs at work).
Does not: any rule of it (settle.py, held.py, rest.py, one_run.py), or starting anything (conditions.py,
jobs.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property

import dagster as dg

from medallion_assets.automation.held import held_back
from medallion_assets.automation.one_run import Flow, Path, Run, one_run
from medallion_assets.automation.refusals import refused_partitions
from medallion_assets.automation.rest import rested
from medallion_assets.automation.settle import (
    DATA,
    EVERY_CAUSE,
    MAX_ATTEMPTS,
    Cause,
    Judgement,
    Survey,
    attempts_at,
)
from medallion_assets.automation.untold import untold
from medallion_assets.stage import Stage, partitions_to_settle
from medallion_assets.stages import PipelineStages
from medallion_assets.storage.still import StillStore
from medallion_assets.storage.store import PartitionStore

# A run with this tag settles each of its tables, for these causes.
SETTLE_TAG, SETTLE_DATA, SETTLE_EVERYTHING = "medallion/settle", "late data", "everything"
# Of a run that is tried again.
PARENT_TAG = "dagster/parent_run_id"
CAUSES = {SETTLE_DATA: DATA, SETTLE_EVERYTHING: EVERY_CAUSE}
ACTIVE = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
RUNS_LOOKED_AT = 200
Keys = Mapping[Path, Collection[str]]


@dataclass(frozen=True)
class Situation:
    """By table, the outdated partitions of the causes asked for, and those of them that have to wait."""

    flow: Flow
    judgements: Mapping[Path, Judgement]
    outdated: Keys
    held: Keys
    given_up: Keys
    busy: Collection[Path]  # a run is at work on it, or on what it is made of
    restless: Collection[Path] = ()

    @cached_property
    def ready(self) -> dict[Path, set[str]]:
        return {
            path: set(keys) - set(self.held[path]) - set(self.given_up[path])
            for path, keys in self.outdated.items()
            if path not in self.busy and path not in self.restless
        }

    @cached_property
    def askable(self) -> dict[Path, set[str]]:
        """What a run is asked for it builds, so nothing that has to wait."""
        return {
            path: set(judgement.present) - set(self.held[path]) - set(self.given_up[path])
            for path, judgement in self.judgements.items()
            if path not in self.busy
        }

    @cached_property
    def run(self) -> Run | None:
        return one_run(self.flow, self.ready, self.askable)


@dataclass
class Settling:
    """Looks at the store and at an instance.

    `first` is the first landing date; `jobs` says what the runs of a job without a selection build.
    """

    stages: PipelineStages
    store: PartitionStore
    first: date
    blocking: Mapping[Path, Sequence[dg.AssetCheckKey]]
    jobs: Mapping[str, Collection[Path]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.survey = Survey(self.stages, self.store, first=self.first)
        self.flow = Flow.of(self.stages)
        self._by_path = {stage.asset_path: stage for stage in self.stages.all()}

    def situation(self, instance: dg.DagsterInstance, causes: frozenset[Cause] = EVERY_CAUSE) -> Situation:
        """What is outdated, whatever else goes on; who starts something by day waits for what is restless."""
        judgements = self.survey.look()
        refused = refused_partitions(instance, self.blocking, self.stages, self.store)
        outdated = {path: _of(judgement, causes) for path, judgement in judgements.items()}
        held = {
            path: held_back(self._by_path[path], judgement.present, refused) if refused else set()
            for path, judgement in judgements.items()
        }
        given_up = {
            path: {key for key, each in judgement.outdated.items() if each.given_up}
            for path, judgement in judgements.items()
        }
        return Situation(self.flow, judgements, outdated, held, given_up, self._busy(instance))

    def quiet_situation(
        self, instance: dg.DagsterInstance, causes: frozenset[Cause], *, now: float, seconds: float
    ) -> Situation:
        """The same, leaving alone what has not been as it is for so many seconds."""
        found = self.situation(instance, causes)
        calm = rested(self.store.root, found.judgements, now=now, seconds=seconds)
        return replace(found, restless=set(found.judgements) - calm)

    def others(self, context: dg.AssetExecutionContext, stage: Stage, asked: list[str]) -> list[str]:
        """The partitions that a run builds beside those that it was asked for; never what has to wait."""
        keys = self._outdated(stage, asked, context.run.tags.get(SETTLE_TAG))
        if PARENT_TAG in context.run.tags:  # that run may have died before it told of what it had settled
            told_of = {*keys, *asked}
            present = (key for key in self.store.keys(stage.table) if key not in told_of)
            keys += sorted(untold(context.instance, stage, self.store, present))
        if not keys:
            return []
        above = {(table.layer, table.name) for table in stage.inputs}
        checks = {path: found for path, found in self.blocking.items() if path in above}
        held = held_back(stage, keys, refused_partitions(context.instance, checks, self.stages, self.store))
        if held:
            context.log.warning(
                f"held back, as a blocking check failed on what they are made of: {sorted(held)}"
            )
        return [key for key in keys if key not in held]

    def _outdated(self, stage: Stage, asked: list[str], tag: str | None) -> list[str]:
        """What those asked for make outdated; with the tag, all that is so for its causes."""
        if tag is None:
            still = StillStore(self.store)
            keys = partitions_to_settle(stage, self.store, asked)
            return [key for key in keys if attempts_at(stage, still, key) < MAX_ATTEMPTS]
        found = self.survey.look_at(stage.asset_path).outdated
        wanted = CAUSES.get(tag, EVERY_CAUSE)
        return [
            key
            for key, each in found.items()
            if key not in asked and each.cause in wanted and not each.given_up
        ]

    def _busy(self, instance: dg.DagsterInstance) -> set[Path]:
        runs = instance.get_runs(dg.RunsFilter(statuses=list(ACTIVE)), limit=RUNS_LOOKED_AT)
        at_work = {path for run in runs for path in self._tables(run)}
        return {
            path
            for path, above in self.flow.above.items()
            if path in at_work or not above.isdisjoint(at_work)
        }

    def _tables(self, run: dg.DagsterRun) -> Collection[Path]:
        if run.asset_selection is None:
            return self.jobs.get(run.job_name, ())
        return [(key.path[0], key.path[1]) for key in run.asset_selection if len(key.path) == 2]


def _of(judgement: Judgement, causes: frozenset[Cause]) -> set[str]:
    return {key for key, each in judgement.outdated.items() if each.cause in causes}
