"""One stage as one asset: the thin shell that every layer shares.

Belongs here: what all our assets have in common. Does not: what a layer's assets say about themselves.
No postponed annotations in this module: Dagster reads the context's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import dagster as dg

from medallion_assets.assets.shown import shown
from medallion_assets.stage import Stage, StagePartition
from medallion_assets.storage.io_manager import PartitionBuilds
from medallion_assets.storage.store import PartitionStore

Plan = Callable[[dg.AssetExecutionContext, list[str]], PartitionBuilds]


@dataclass(frozen=True)
class Shell:
    """What an asset shows and how it is wired; `builds` plans the partitions that a run asks for."""

    key: dg.AssetKey
    code_version: str
    description: str
    kinds: frozenset[str]
    deps: Sequence[dg.AssetDep] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)


def stage_asset(
    shell: Shell,
    partitions: dg.PartitionsDefinition[str],
    plan: Plan,
) -> dg.AssetsDefinition:
    """An asset whose runs, of one partition or of a range, hand their plan to the IO manager."""

    @dg.asset(
        key=shell.key,
        group_name=shell.key.path[0],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=shell.deps,
        description=shell.description,
        kinds=set(shell.kinds),
        code_version=shell.code_version,
        metadata=shell.metadata,
        required_resource_keys={"settling"},
    )
    def materialize(context: dg.AssetExecutionContext):  # type: ignore[no-untyped-def]  # no type check of the plan
        return plan(context, list(context.partition_keys))

    return materialize


def settling_plan(stage: Stage, store: PartitionStore) -> Plan:
    """Plans what was asked for, and what else the run is to settle."""

    def plan(context: dg.AssetExecutionContext, asked: list[str]) -> PartitionBuilds:
        others = context.resources.settling.others(context, stage, asked)
        if others:
            context.log.info(f"{len(others)} other partitions are outdated and are settled too: {others}")
        table = stage.table
        made = {key: StagePartition(stage, table, key) for key in [*asked, *others]}
        return shown(PartitionBuilds(table, made), store)

    return plan


def showing_plan(stage: Stage, store: PartitionStore, metadata: Callable[[str], Mapping[str, Any]]) -> Plan:
    """The stage's plan, whose partitions show this once they are written."""
    settle = settling_plan(stage, store)

    def plan(context: dg.AssetExecutionContext, asked: list[str]) -> PartitionBuilds:
        return replace(settle(context, asked), metadata=metadata)

    return plan
