"""Gold assets, one per recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from medallion_assets.assets.shown import of_partition
from medallion_assets.assets.stage_asset import Shell, showing_plan, stage_asset
from medallion_assets.package.stage import GoldStage
from medallion_assets.report.plots import packaged
from medallion_assets.report.shapes import shapes_of
from medallion_assets.schemas import (
    PREFERENCE_UNIT,
    PROMPT_UNIT,
    RL_CURRICULUM,
    ROLLOUT_UNIT,
    SFT_UNIT,
)
from medallion_assets.storage.store import PartitionStore

WHAT_IT_IS = {
    PREFERENCE_UNIT: "{silver} as pairs, a row each: messages as TRL's DPO takes them, and their token ids.",
    PROMPT_UNIT: "{silver} in verl's layout, whose column prompt TRL's GRPO takes too.",
    RL_CURRICULUM.name: "{silver} in verl's layout, with pass rates; the newest partition is to train on.",
    ROLLOUT_UNIT: "{silver} with token ids, log-probabilities and rewards, a row each, to train off policy.",
    SFT_UNIT: "{silver} tokenized with assistant-only labels and packed ({packing}), "
    "as TRL's padding-free path reads it.",
}
HELD_OUT = " These are the records that the recipe holds out."


def gold_asset(
    recipe: GoldStage, partitions: dg.PartitionsDefinition[str], store: PartitionStore
) -> dg.AssetsDefinition:
    shell = Shell(
        key=dg.AssetKey(recipe.asset_path),
        code_version=f"{recipe.code_version}-{recipe.config_version}",
        description=_described(recipe),
        kinds=frozenset({"gold", "huggingface", "parquet"}),
        deps=[dg.AssetDep(dg.AssetKey(["silver", recipe.silver.name]))],
    )

    def metadata(key: str) -> Mapping[str, Any]:
        paths = store.paths(recipe.table, key)
        drawn = packaged(shapes_of(recipe.table.schema.name, paths, room=recipe.packaging.max_length))
        plots = {name: dg.MetadataValue.md(text) for name, text in drawn.items()}
        return {**of_partition(store, recipe.table, key), **plots}

    return stage_asset(shell, partitions, showing_plan(recipe, store, metadata))


def _described(recipe: GoldStage) -> str:
    made = WHAT_IT_IS[recipe.unit].format(silver=recipe.silver.name, packing=recipe.packaging.packing)
    held_out = HELD_OUT if recipe.selection.takes_held_out else ""
    return f"{made} At most {recipe.packaging.max_length} tokens.{held_out}"
