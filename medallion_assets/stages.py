"""From configuration to stages: the whole graph as plain objects, before Dagster sees any of it.

Belongs here: which tables there are and what feeds what. Does not: assets (assets/) or work (the stages).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medallion_assets.config import (
    EvalSetConfig,
    PassRatesConfig,
    PipelineConfig,
    RecipeConfig,
    RedactConfig,
    RolloutsConfig,
    SourceConfig,
    TokenizerConfig,
)
from medallion_assets.config_checks import Problem
from medallion_assets.conform.evals import EvalStage
from medallion_assets.conform.format import load_format
from medallion_assets.conform.stage import ConformStage
from medallion_assets.curate.curriculum import CurriculumStage, PassRateRules
from medallion_assets.curate.derived import DerivedStage
from medallion_assets.curate.stage import UnitStage
from medallion_assets.extract.inventory import LandingRules
from medallion_assets.extract.limits import Limits
from medallion_assets.extract.redact import Redaction
from medallion_assets.extract.stage import BronzeStage
from medallion_assets.package.stage import GoldStage
from medallion_assets.package.tokenizer import TokenizerSpec
from medallion_assets.roots import Roots, project_folder
from medallion_assets.schemas import (
    EVAL_PREFIX,
    PREFERENCE_UNIT,
    PROMPT_UNIT,
    ROLLOUT_UNIT,
    SFT_UNIT,
    UNIT_SCHEMAS,
)
from medallion_assets.stage import Stage
from medallion_assets.storage.store import Table


@dataclass(frozen=True)
class SourceStages:
    """One feed: its bronze and its conformed table."""

    config: SourceConfig
    bronze: BronzeStage
    conformed: ConformStage


@dataclass(frozen=True)
class EvalStages:
    """One evaluation set: its bronze, and its items as of each day."""

    config: EvalSetConfig
    bronze: BronzeStage
    items: EvalStage


@dataclass(frozen=True)
class PipelineStages:
    """Every stage of a pipeline. Units and recipes by name."""

    sources: tuple[SourceStages, ...]
    eval_sets: tuple[EvalStages, ...]
    derived: tuple[DerivedStage, ...]
    units: dict[str, UnitStage]
    curriculum: CurriculumStage | None
    recipes: dict[str, GoldStage]

    def all(self) -> Iterator[Stage]:
        """In the order in which data flows."""
        yield from self.bronze()
        yield from (source.conformed for source in self.sources)
        yield from (eval_set.items for eval_set in self.eval_sets)
        rollouts = {unit: stage for unit, stage in self.units.items() if unit == ROLLOUT_UNIT}
        yield from rollouts.values()
        yield from self.derived  # from rollouts, for the other units
        yield from (stage for unit, stage in self.units.items() if unit not in rollouts)
        if self.curriculum is not None:
            yield self.curriculum
        yield from self.recipes.values()

    def bronze(self) -> Iterator[BronzeStage]:
        """What watches a landing folder."""
        yield from (source.bronze for source in self.sources)
        yield from (eval_set.bronze for eval_set in self.eval_sets)

    def fed_by(self, bronze: BronzeStage) -> list[Stage]:
        """The stages that an export of this feed passes through, in order."""
        for eval_set in self.eval_sets:
            if eval_set.bronze == bronze:
                return [bronze, eval_set.items]
        source = next(source for source in self.sources if source.bronze == bronze)
        unit = self.units[source.config.unit]
        rated = [self.curriculum] if self.curriculum and self.curriculum.prompts == unit.table else []
        recipes = [recipe for recipe in self.recipes.values() if recipe.silver == unit.table]
        return [bronze, source.conformed, unit, *rated, *recipes]


def stages_of(config: PipelineConfig, roots: Roots, *, base: Path) -> PipelineStages:
    """`base` is the folder that relative tokenizer paths of the configuration start from."""
    sources = tuple(_source_stages(source, roots) for source in config.sources)
    fed = dict.fromkeys([*(source.unit for source in config.sources), *config.rollouts.feeds])
    rollouts = Table("silver", ROLLOUT_UNIT, UNIT_SCHEMAS[ROLLOUT_UNIT])
    derived = tuple(_derived_stages(config.rollouts, rollouts))
    units = {unit: _unit_stage(unit, sources, derived, config.rollouts) for unit in fed}
    return PipelineStages(
        sources=sources,
        eval_sets=tuple(_eval_stages(eval_set, roots) for eval_set in config.eval_sets),
        derived=derived,
        units=units,
        curriculum=_curriculum(config.rollouts.pass_rates, units, rollouts),
        recipes={recipe.name: _gold_stage(recipe, units[recipe.unit], base) for recipe in config.recipes},
    )


def _source_stages(config: SourceConfig, roots: Roots) -> SourceStages:
    format_ = load_format(config.format)
    columns = config.columns or format_.columns
    bronze = BronzeStage(
        source=config.name,
        landing=roots.landing / (config.landing or config.name),
        rules=LandingRules(marker=config.marker or format_.marker),
        limits=Limits(**config.limits.model_dump()),
        columns=tuple(columns) if columns else None,
        redaction=_redaction(config.redact),
    )
    return SourceStages(
        config, bronze, ConformStage(bronze.table, config.unit, config.format, config.options)
    )


def _redaction(config: RedactConfig | None) -> Redaction | None:
    if config is None:
        return None
    return Redaction(drop=tuple(config.drop), mask=tuple(config.mask), hash=tuple(config.hash))


def _eval_stages(config: EvalSetConfig, roots: Roots) -> EvalStages:
    bronze = BronzeStage(
        source=f"{EVAL_PREFIX}{config.name}",
        landing=roots.landing / "evals" / config.name,
        rules=LandingRules(numbered=True),
        columns=tuple(config.columns) if config.columns else None,
    )
    return EvalStages(config, bronze, EvalStage(bronze.table, tuple(config.fields)))


def _derived_stages(config: RolloutsConfig, rollouts: Table) -> Iterator[DerivedStage]:
    if config.preferences is not None:
        yield DerivedStage(rollouts, PREFERENCE_UNIT, config.preferences.min_margin)
    if config.rejection_sampling is not None:
        yield DerivedStage(rollouts, SFT_UNIT, config.rejection_sampling.min_reward)


def _unit_stage(
    unit: str, sources: tuple[SourceStages, ...], derived: tuple[DerivedStage, ...], config: RolloutsConfig
) -> UnitStage:
    """What people delivered ranks before what was derived from rollouts."""
    delivered = ((each.config.name, each.conformed.table) for each in sources if each.config.unit == unit)
    made = ((each.source, each.table) for each in derived if each.unit == unit)
    lag = config.max_policy_lag if unit == ROLLOUT_UNIT else None
    return UnitStage(unit, (*delivered, *made), lag)


def _curriculum(
    config: PassRatesConfig | None, units: dict[str, UnitStage], rollouts: Table
) -> CurriculumStage | None:
    if config is None:
        return None
    return CurriculumStage(units[PROMPT_UNIT].table, rollouts, PassRateRules(**config.model_dump()))


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
