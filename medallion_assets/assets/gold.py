"""Gold assets, one per recipe."""

from __future__ import annotations

import dagster as dg

from medallion_assets.assets.stage_asset import Shell, settling_plan, stage_asset
from medallion_assets.package.stage import GoldStage
from medallion_assets.schemas import (
    PREFERENCE_UNIT,
    PROMPT_UNIT,
    RL_CURRICULUM,
    ROLLOUT_UNIT,
    SFT_UNIT,
)
from medallion_assets.schemas_gold import GOLD_SCHEMAS
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
        schema=GOLD_SCHEMAS[recipe.silver.schema.name],
        code_version=f"{recipe.code_version}-{recipe.config_version}",
        description=_described(recipe),
        kinds=frozenset({"gold", "huggingface", "parquet"}),
        deps=[dg.AssetDep(dg.AssetKey(["silver", recipe.silver.name]))],
    )
    return stage_asset(shell, partitions, settling_plan(recipe, store))


def _described(recipe: GoldStage) -> str:
    made = WHAT_IT_IS[recipe.unit].format(silver=recipe.silver.name, packing=recipe.packaging.packing)
    held_out = HELD_OUT if recipe.selection.takes_held_out else ""
    return f"{made} At most {recipe.packaging.max_length} tokens.{held_out}"
