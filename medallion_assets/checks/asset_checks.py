"""The checks behind each asset: thin shells that Dagster runs, a step an asset.

Belongs here: which assets have which checks. Does not: severities and words (kinds.py), what is looked at
(the modules beside this one), how a finding is shown (shown.py), the nightly checks (store_checks.py).
No postponed annotations in this module: Dagster reads the context's.
"""

from collections.abc import Iterator, Mapping
from functools import partial

import dagster as dg

from medallion_assets.checks.conservation import imbalances
from medallion_assets.checks.contamination import kept_contamination
from medallion_assets.checks.drift import drifts
from medallion_assets.checks.exports import too_many_rejects, unreadable_exports
from medallion_assets.checks.finding import Look, together
from medallion_assets.checks.immutable import changes
from medallion_assets.checks.packing import empty_bins
from medallion_assets.checks.partitions import partitions_of_run
from medallion_assets.checks.removal import too_many_removals
from medallion_assets.checks.shown import looked, spec_of
from medallion_assets.checks.unique import repeated_in_unit
from medallion_assets.checks.usual import unusual_rejects, unusual_removals
from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets.conform.stage import ConformStage
from medallion_assets.curate.curriculum import CurriculumStage
from medallion_assets.curate.stage import UnitStage
from medallion_assets.extract.stage import BronzeStage
from medallion_assets.package.stage import GoldStage
from medallion_assets.report.profile_stage import ProfileStage
from medallion_assets.schemas import SFT_UNIT
from medallion_assets.stage import Stage
from medallion_assets.stages import PipelineStages
from medallion_assets.storage.store import PartitionStore

Looks = Mapping[str, Look]  # by the check's name, in the order in which they run


def asset_checks(
    config: PipelineConfig, stages: PipelineStages, store: PartitionStore
) -> Iterator[dg.AssetChecksDefinition]:
    """Those of every table that has any."""
    for stage in stages.all():
        if looks := looks_of(stage, config, stages):
            yield _checks_behind(stage, looks, store)


def looks_of(stage: Stage, config: PipelineConfig, stages: PipelineStages) -> Looks:
    """What is looked at behind the stage. A check is three events of a run, which cost more than looking."""
    match stage:
        case BronzeStage():
            return {
                "immutable": partial(changes, stage),
                "readable_exports": partial(unreadable_exports, stage.table),
            }
        case ConformStage():
            return _of_conformed(stage, config)
        case UnitStage():
            return _of_unit(stage, config, stages)
        case CurriculumStage():
            return {"conservation": partial(imbalances, stage)}
        case GoldStage():
            return _of_recipe(stage, config)
        case ProfileStage():
            return {"drift": partial(drifts, stage, config.checks)}
        case _:
            return {}


def _of_conformed(stage: ConformStage, config: PipelineConfig) -> Looks:
    source = next(source for source in config.sources if source.name == stage.bronze.name)
    return {
        "conservation": partial(imbalances, stage),
        "reject_rate": together(
            partial(too_many_rejects, stage.table, most=source.max_reject_rate),
            partial(unusual_rejects, source.name, stage.table, config.checks),
        ),
    }


def _of_unit(stage: UnitStage, config: PipelineConfig, stages: PipelineStages) -> Looks:
    limits = {source.name: source.max_removal_rate for source in config.sources}
    verdicts = stages.contamination.get(stage.unit)
    return {
        "conservation": partial(imbalances, stage),
        "unique_ids": partial(repeated_in_unit, stage),
        **({"uncontaminated": partial(kept_contamination, stage, verdicts)} if verdicts else {}),
        "removal_rate": together(
            partial(too_many_removals, stage.table, limits),
            partial(unusual_removals, stage.table, config.checks),
        ),
    }


def _of_recipe(stage: GoldStage, config: PipelineConfig) -> Looks:
    looks: Looks = {"conservation": partial(imbalances, stage)}
    if stage.unit != SFT_UNIT or stage.packaging.packing == "none" or stage.selection.takes_held_out:
        return looks  # nothing is filled, or too little
    return {
        **looks,
        "packing_efficiency": partial(empty_bins, stage, least=config.checks.min_packing_efficiency),
    }


def _checks_behind(stage: Stage, looks: Looks, store: PartitionStore) -> dg.AssetChecksDefinition:
    """One step for all of an asset's checks: what a step costs is more than what most of them do."""
    asset = dg.AssetKey(stage.asset_path)

    @dg.multi_asset_check(
        name=f"{'__'.join(stage.asset_path)}_checks",
        specs=[spec_of(name, asset) for name in looks],
        can_subset=True,
    )
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        chosen = {key.name for key in context.selected_asset_check_keys}
        keys = partitions_of_run(context, stage, store)
        for name, look in looks.items():
            if name in chosen:
                yield looked(context, name, asset, partial(look, store, keys), keys=keys)

    return checks
