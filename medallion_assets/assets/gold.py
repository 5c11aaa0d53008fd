"""Gold assets, one per recipe."""

from __future__ import annotations

import dagster as dg

from medallion_assets.assets.stage_asset import Shell, settling_plan, stage_asset
from medallion_assets.package.stage import GoldStage
from medallion_assets.schemas_gold import GOLD_SCHEMAS
from medallion_assets.storage.store import PartitionStore

HELD_OUT = " These are the records that the recipe holds out."


def gold_asset(
    recipe: GoldStage, partitions: dg.PartitionsDefinition[str], store: PartitionStore
) -> dg.AssetsDefinition:
    shell = Shell(
        key=dg.AssetKey(recipe.asset_path),
        schema=GOLD_SCHEMAS[recipe.silver.schema.name],
        code_version=f"{recipe.code_version}-{recipe.config_version}",
        description=(
            f"{recipe.silver.name} tokenized with assistant-only labels and packed to "
            f"{recipe.packaging.max_length} tokens ({recipe.packaging.packing}), "
            f"as TRL's padding-free path reads it.{HELD_OUT if recipe.selection.takes_held_out else ''}"
        ),
        kinds=frozenset({"gold", "huggingface", "parquet"}),
        deps=[dg.AssetDep(dg.AssetKey(["silver", recipe.silver.name]))],
    )
    return stage_asset(shell, partitions, settling_plan(recipe, store))
