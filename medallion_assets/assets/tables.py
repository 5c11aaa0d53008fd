"""Every table of a pipeline as an asset, in the order in which data flows.

Belongs here: which stage becomes which kind of asset. Does not: what an asset is (beside this module), or
releases, which are no tables.
"""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from medallion_assets.assets.bronze import bronze_asset
from medallion_assets.assets.gold import gold_asset
from medallion_assets.assets.profile import profile_asset
from medallion_assets.assets.silver import (
    conformed_asset,
    contamination_asset,
    curriculum_asset,
    derived_asset,
    eval_asset,
    eval_index_asset,
    unit_asset,
)
from medallion_assets.stages import PipelineStages
from medallion_assets.storage.store import PartitionStore


def bronze_assets(
    stages: PipelineStages, days: dg.PartitionsDefinition[str], store: PartitionStore
) -> Iterator[dg.AssetsDefinition]:
    for source in stages.sources:
        about = f"Exports of {source.config.name} ({source.config.format})."
        yield bronze_asset(source.bronze, about=about, partitions=days, store=store)
    for eval_set in stages.eval_sets:
        about = f"Deliveries of the evaluation set {eval_set.config.name}."
        yield bronze_asset(eval_set.bronze, about=about, partitions=days, store=store)


def silver_and_gold_assets(
    stages: PipelineStages, days: dg.PartitionsDefinition[str], store: PartitionStore
) -> Iterator[dg.AssetsDefinition]:
    yield from (conformed_asset(source, days, store) for source in stages.sources)
    yield from (eval_asset(eval_set.items, days, store) for eval_set in stages.eval_sets)
    yield from (eval_index_asset(index, days, store) for index in filter(None, [stages.eval_index]))
    yield from (contamination_asset(stage, days, store) for stage in stages.contamination.values())
    yield from (unit_asset(unit, days, store, bronze=stages.profile.bronze) for unit in stages.units.values())
    yield from (derived_asset(stage, days, store) for stage in stages.derived)
    yield from (curriculum_asset(stage, days, store) for stage in filter(None, [stages.curriculum]))
    yield from (gold_asset(recipe, days, store) for recipe in stages.recipes.values())
    yield profile_asset(stages.profile, days, store)
