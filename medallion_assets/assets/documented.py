"""What every asset says of itself: owners, tags, where its table is, what its columns are made of, its code.

Belongs here: what all assets have in common, given to them once. Does not: what a layer's assets are (beside
this module), who owns what (owners.py), where code is (code_links.py), or words about reading (reading.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import dagster as dg

from medallion_assets.assets.code_links import CODE_REFERENCES, code_references, with_git_links
from medallion_assets.assets.columns import column_lineage, column_schema
from medallion_assets.assets.owners import owners_of, owners_together
from medallion_assets.assets.reading import reading
from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets.conform.evals import EvalStage
from medallion_assets.conform.stage import ConformStage
from medallion_assets.curate.decontaminate.stages import ContaminationStage
from medallion_assets.curate.derived import DerivedStage
from medallion_assets.curate.stage import UnitStage
from medallion_assets.extract.stage import BronzeStage
from medallion_assets.package.stage import GoldStage
from medallion_assets.release.cut import Plan
from medallion_assets.release.manifest import RELEASES
from medallion_assets.schemas import EVAL_PREFIX
from medallion_assets.stage import Stage
from medallion_assets.stages import PipelineStages
from medallion_assets.storage.store import PartitionStore

MAX_TAG_CHARACTERS = 63  # Dagster's own limit
STORAGE_KIND = "dagster/storage_kind"


@dataclass(frozen=True)
class Pipeline:
    """What assets are documented from; `plans` are those of its releases."""

    config: PipelineConfig
    stages: PipelineStages
    plans: Sequence[Plan]
    store: PartitionStore


def documented(assets: Sequence[dg.AssetsDefinition], pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """The same assets, each with all that the UI can show of what it is; each has one key."""
    attributes = _of_tables(pipeline) | _of_releases(pipeline)
    return with_git_links([_with(asset, attributes[asset.key]) for asset in assets])


def _with(asset: dg.AssetsDefinition, attributes: dict[str, Any]) -> dg.AssetsDefinition:
    more = dict(attributes)
    after = more.pop("description")

    def described(spec: dg.AssetSpec) -> dg.AssetSpec:
        text = f"{spec.description}\n\n{after}"
        return spec.merge_attributes(**more).replace_attributes(description=text)

    return asset.map_asset_specs(described)


def _of_tables(pipeline: Pipeline) -> dict[dg.AssetKey, dict[str, Any]]:
    owners = owners_of(pipeline.stages, pipeline.config)
    return {
        dg.AssetKey(stage.asset_path): {
            "description": reading(stage),
            "owners": owners[stage.asset_path],
            "tags": {STORAGE_KIND: "parquet", **_tags(stage)},
            "metadata": {
                "dagster/column_schema": column_schema(stage),
                "dagster/column_lineage": column_lineage(stage),
                "dagster/table_name": ".".join(stage.asset_path),
                "dagster/uri": pipeline.store.place.uri("/".join(stage.asset_path)),
                CODE_REFERENCES: code_references(stage),
            },
        }
        for stage in pipeline.stages.all()
    }


def _of_releases(pipeline: Pipeline) -> dict[dg.AssetKey, dict[str, Any]]:
    owners = owners_of(pipeline.stages, pipeline.config)
    return {
        dg.AssetKey(["releases", plan.config.name]): {
            "description": reading(plan),
            "owners": owners_together(owners, [stage.asset_path for stage in plan.lineage.gold()]),
            "tags": {STORAGE_KIND: "parquet"},
            "metadata": {
                "dagster/uri": pipeline.store.place.uri(f"{RELEASES}/{plan.config.name}"),
                CODE_REFERENCES: code_references(plan),
            },
        }
        for plan in pipeline.plans
    }


def _tags(stage: Stage) -> dict[str, str]:
    """What people look for assets by, beside the layer, which is the group."""
    return {name: value[:MAX_TAG_CHARACTERS] for name, value in _found_by(stage).items()}


@singledispatch
def _found_by(stage: Stage) -> dict[str, str]:
    return {}


@_found_by.register
def _(stage: BronzeStage) -> dict[str, str]:
    redacted = {"redacted": "yes"} if stage.redaction else {}
    eval_set = stage.source.removeprefix(EVAL_PREFIX)
    return {"source" if eval_set == stage.source else "eval_set": eval_set, **redacted}


@_found_by.register
def _(stage: ConformStage) -> dict[str, str]:
    return {"source": stage.bronze.name, "unit": stage.unit, "format": stage.format}


@_found_by.register
def _(stage: EvalStage) -> dict[str, str]:
    return {"eval_set": stage.bronze.name.removeprefix(EVAL_PREFIX)}


@_found_by.register
def _(stage: DerivedStage) -> dict[str, str]:
    return {"source": stage.source, "unit": stage.unit}


@_found_by.register(ContaminationStage)
@_found_by.register(UnitStage)
@_found_by.register(GoldStage)
def _(stage: ContaminationStage | UnitStage | GoldStage) -> dict[str, str]:
    return {"unit": stage.unit}
