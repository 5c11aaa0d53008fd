"""Who owns which table: whoever owns what feeds it.

Belongs here: how owners pass from sources on. Does not: Dagster, which only shows them (documented.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets.curate.decontaminate.stages import ContaminationStage
from medallion_assets.curate.stage import UnitStage
from medallion_assets.stage import Stage
from medallion_assets.stages import PipelineStages
from medallion_assets.storage.store import Table

Path = tuple[str, str]
Owners = tuple[str, ...]


def owners_of(stages: PipelineStages, config: PipelineConfig) -> dict[Path, Owners]:
    """By table, its owners in the order of the configuration.

    A feed has its own, a recipe too if it says so, and any other table those of what feeds it; the
    pipeline's owner has what would be nobody's.
    """
    given = _given(stages, config)
    found: dict[Path, Owners] = {}
    for stage in stages.all():
        fed_by = _distinct(owner for path in _feeding(stage) for owner in found[path])
        nobody = (config.owner,) if config.owner else ()
        found[stage.asset_path] = given.get(stage.asset_path) or fed_by or nobody
    return found


def owners_together(owners: Mapping[Path, Owners], paths: Iterable[Path]) -> Owners:
    """Those of what is made of several tables."""
    return _distinct(owner for path in paths for owner in owners[path])


def _given(stages: PipelineStages, config: PipelineConfig) -> dict[Path, Owners]:
    sources = ((each.bronze.asset_path, each.config.owner) for each in stages.sources)
    eval_sets = ((each.bronze.asset_path, each.config.owner) for each in stages.eval_sets)
    recipes = (
        (stages.recipes[name].asset_path, recipe.owner)
        for recipe in config.recipes
        for name in (recipe.name, recipe.holdout_name)
        if name in stages.recipes
    )
    return {path: (owner,) for path, owner in (*sources, *eval_sets, *recipes) if owner}


def _feeding(stage: Stage) -> list[Path]:
    """The tables whose records it holds; an evaluation only takes records out."""
    match stage:
        case UnitStage():
            tables: Iterable[Table] = stage.conformed_tables
        case ContaminationStage():
            tables = (table for _, table in stage.conformed)
        case _:
            tables = stage.inputs
    return [(table.layer, table.name) for table in tables]


def _distinct(owners: Iterable[str]) -> Owners:
    return tuple(dict.fromkeys(owners))
