"""From configuration to stages: the whole graph as plain objects, before Dagster sees any of it.

Belongs here: which tables there are and what feeds what. Does not: assets (assets/) or work (the stages).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medallion_assets.config import PipelineConfig, Problem, RecipeConfig, SourceConfig, TokenizerConfig
from medallion_assets.conform.stage import ConformStage
from medallion_assets.curate.stage import UnitStage
from medallion_assets.extract.stage import BronzeStage
from medallion_assets.package.stage import GoldStage
from medallion_assets.package.tokenizer import TokenizerSpec
from medallion_assets.roots import Roots, project_folder
from medallion_assets.stage import Stage


@dataclass(frozen=True)
class SourceStages:
    """One feed: its bronze and its conformed table."""

    config: SourceConfig
    bronze: BronzeStage
    conformed: ConformStage


@dataclass(frozen=True)
class PipelineStages:
    """Every stage of a pipeline. Units and recipes by name."""

    sources: tuple[SourceStages, ...]
    units: dict[str, UnitStage]
    recipes: dict[str, GoldStage]

    def all(self) -> Iterator[Stage]:
        """In the order in which data flows."""
        for source in self.sources:
            yield source.bronze
        for source in self.sources:
            yield source.conformed
        yield from self.units.values()
        yield from self.recipes.values()

    def fed_by(self, source: SourceStages) -> Iterator[Stage]:
        """The stages that an export of this source passes through, in order."""
        unit = source.config.unit
        yield source.bronze
        yield source.conformed
        yield self.units[unit]
        yield from (recipe for recipe in self.recipes.values() if recipe.silver == self.units[unit].table)


def stages_of(config: PipelineConfig, roots: Roots, *, base: Path) -> PipelineStages:
    """`base` is the folder that relative tokenizer paths of the configuration start from."""
    sources = tuple(_source_stages(source, roots) for source in config.sources)
    units = {
        unit: _unit_stage(unit, sources) for unit in dict.fromkeys(source.unit for source in config.sources)
    }
    recipes = {recipe.name: _gold_stage(recipe, units[recipe.unit], base) for recipe in config.recipes}
    return PipelineStages(sources, units, recipes)


def _source_stages(config: SourceConfig, roots: Roots) -> SourceStages:
    bronze = BronzeStage(config.name, roots.landing / (config.landing or config.name))
    return SourceStages(config, bronze, ConformStage(bronze.table, config.unit, config.format))


def _unit_stage(unit: str, sources: tuple[SourceStages, ...]) -> UnitStage:
    feeds = (source for source in sources if source.config.unit == unit)
    return UnitStage(unit, tuple((source.config.name, source.conformed.table) for source in feeds))


def _gold_stage(config: RecipeConfig, unit: UnitStage, base: Path) -> GoldStage:
    return GoldStage(
        recipe=config.name,
        silver=unit.table,
        tokenizer=_tokenizer(config.tokenizer, base),
        max_length=config.max_length,
        packing=config.packing,
    )


def tokenizer_problems(config: PipelineConfig, *, base: Path) -> list[Problem]:
    """Recipes whose tokenizer is a folder that is not there."""
    return [
        Problem(
            ("recipes", place, "tokenizer", "path"),
            f"there is no folder {' or '.join(map(str, _places(recipe.tokenizer, base)))}; "
            "a tokenizer on the hub needs its `revision` too",
        )
        for place, recipe in enumerate(config.recipes)
        if recipe.tokenizer.revision is None
        and not any(folder.is_dir() for folder in _places(recipe.tokenizer, base))
    ]


def _tokenizer(config: TokenizerConfig, base: Path) -> TokenizerSpec:
    if config.revision is not None:
        return TokenizerSpec(config.path, config.revision)
    places = _places(config, base)
    return TokenizerSpec(next((folder for folder in places if folder.is_dir()), places[0]))


def _places(config: TokenizerConfig, base: Path) -> list[Path]:
    """A relative folder is looked for beside the configuration, then in the project."""
    return list(dict.fromkeys(folder / config.path for folder in (base, project_folder())))
