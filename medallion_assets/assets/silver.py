"""Silver assets: a conformed table per source, one table per data unit, and what rollouts lead to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

import dagster as dg

from medallion_assets.assets.profile import unit_plan
from medallion_assets.assets.shown import table_of
from medallion_assets.assets.stage_asset import Plan, Shell, settling_plan, showing_plan, stage_asset
from medallion_assets.conform.evals import EvalStage
from medallion_assets.curate.curriculum import CurriculumStage
from medallion_assets.curate.decontaminate.stages import ContaminationStage, EvalIndexStage
from medallion_assets.curate.derived import DerivedStage
from medallion_assets.curate.stage import UnitStage
from medallion_assets.schemas import EVAL_PREFIX
from medallion_assets.stage import Stage
from medallion_assets.stages import SourceStages
from medallion_assets.storage.store import PartitionStore, Table


def conformed_asset(
    source: SourceStages, partitions: dg.PartitionsDefinition[str], store: PartitionStore
) -> dg.AssetsDefinition:
    config = source.config
    description = (
        f"Records of {config.name} ({config.format}) in the schema of {config.unit}: "
        "parsed, cleaned and past the structural gates."
    )
    return _asset(source.conformed, description, [_dep(source.conformed.bronze)], partitions, store)


def eval_asset(
    items: EvalStage, partitions: dg.PartitionsDefinition[str], store: PartitionStore
) -> dg.AssetsDefinition:
    name = items.bronze.name.removeprefix(EVAL_PREFIX)
    description = (
        f"The evaluation set {name} as of each day: the texts of its items, from the newest delivery "
        f"of each file ({', '.join(items.fields)})."
    )
    return _asset(items, description, [_dep(items.bronze)], partitions, store)


def eval_index_asset(
    index: EvalIndexStage, partitions: dg.PartitionsDefinition[str], store: PartitionStore
) -> dg.AssetsDefinition:
    names = ", ".join(name for name, _, _ in index.sets)
    description = (
        f"All evaluation sets as of each day ({names}), text by text, and how each is looked for in "
        "training data. The newest partition is the one that counts."
    )
    deps = [_dep(table) for table in index.inputs]

    def metadata(key: str) -> Mapping[str, Any]:
        manifest = store.manifest(index.table, key)
        by_set = manifest.summary["by_eval_set"] if manifest else {}
        rows = [{"eval_set": name, **{k: str(n) for k, n in told.items()}} for name, told in by_set.items()]
        return {"by_eval_set": table_of(rows)} if rows else {}

    return _asset(index, description, deps, partitions, store, plan=showing_plan(index, store, metadata))


def contamination_asset(
    stage: ContaminationStage, partitions: dg.PartitionsDefinition[str], store: PartitionStore
) -> dg.AssetsDefinition:
    description = (
        f"Records of {stage.unit} that give items of the evaluation sets away, with the item and the "
        "matching text. Another evaluation set makes a day of it differ only where verdicts do."
    )
    deps = [
        *(_dep(table) for _, table in stage.conformed),
        _dep(stage.index),
    ]
    return _asset(stage, description, deps, partitions, store)


def unit_asset(
    unit: UnitStage,
    partitions: dg.PartitionsDefinition[str],
    store: PartitionStore,
    *,
    bronze: Mapping[str, Table],
) -> dg.AssetsDefinition:
    """`bronze` by source: what each delivered, for the counts that a partition shows."""
    near = f" and of those at least {unit.near_threshold:.0%} alike" if unit.near_threshold else ""
    description = (
        f"All sources of {unit.unit}, each record once: of equal records{near} the earliest survives, "
        "by landing date, source and place, whatever the order of processing."
        + (" Without what gives evaluation sets away." if unit.contamination else "")
    )
    deps = [_dep(table) for _, table in unit.conformed]
    deps += [_dep(table) for table in filter(None, [unit.contamination])]
    return _asset(unit, description, deps, partitions, store, plan=unit_plan(unit, bronze, store))


def derived_asset(
    stage: DerivedStage, partitions: dg.PartitionsDefinition[str], store: PartitionStore
) -> dg.AssetsDefinition:
    description = f"Records of {stage.unit} made of the rollouts that landed the day before."
    deps = [_dep(stage.rollouts)]
    return _asset(stage, description, deps, partitions, store, kinds={"duckdb"})


def curriculum_asset(
    stage: CurriculumStage, partitions: dg.PartitionsDefinition[str], store: PartitionStore
) -> dg.AssetsDefinition:
    description = (
        "All RL prompts as of each day, with how often rollouts up to the day before solved them; "
        "prompts that teach nothing are left out."
    )
    deps = [_dep(stage.prompts), _dep(stage.rollouts)]
    return _asset(stage, description, deps, partitions, store, kinds={"duckdb"})


def _dep(table: Table) -> dg.AssetDep:
    """Of the same day, for Dagster's eyes, also where a day depends on those before it.

    Whoever runs an early day settles the later ones that it changes, in the same run. With the whole truth
    as a partition mapping, a backfill of one day would ask for every day after it, up to today.
    """
    return dg.AssetDep(dg.AssetKey([table.layer, table.name]))


def _asset(
    stage: Stage,
    description: str,
    deps: Sequence[dg.AssetDep],
    partitions: dg.PartitionsDefinition[str],
    store: PartitionStore,
    *,
    kinds: Set[str] = frozenset(),
    plan: Plan | None = None,
) -> dg.AssetsDefinition:
    shell = Shell(
        key=dg.AssetKey(stage.asset_path),
        code_version=f"{stage.code_version}-{stage.config_version}",
        description=description,
        kinds=frozenset({"silver", "parquet", *kinds}),
        deps=deps,
    )
    return stage_asset(shell, partitions, plan or settling_plan(stage, store))
