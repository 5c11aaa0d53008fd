"""From configuration to stages: the whole graph as plain objects, before Dagster sees any of it.

Belongs here: which tables there are and what feeds what. Does not: assets (assets/) or work (the stages).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from medallion_assets.config.checks import Problem
from medallion_assets.config.pipeline import (
    DecontaminationConfig,
    EvalSetConfig,
    PassRatesConfig,
    PipelineConfig,
    RecipeConfig,
    RedactConfig,
    RolloutsConfig,
    SourceConfig,
    TokenizerConfig,
)
from medallion_assets.config.quality import QualityConfig, merged, quality_of
from medallion_assets.conform.evals import EvalStage
from medallion_assets.conform.format import load_format
from medallion_assets.conform.stage import ConformStage
from medallion_assets.curate.curriculum import CurriculumStage, PassRateRules
from medallion_assets.curate.decontaminate.rules import Rules
from medallion_assets.curate.decontaminate.stages import ContaminationStage, EvalIndexStage
from medallion_assets.curate.derived import DerivedStage
from medallion_assets.curate.gates.quality.thresholds import Quality
from medallion_assets.curate.stage import UnitStage
from medallion_assets.extract.inventory import LandingRules
from medallion_assets.extract.limits import Limits
from medallion_assets.extract.redact import Redaction
from medallion_assets.extract.stage import BronzeStage
from medallion_assets.package.recipe import Packaging, Selection
from medallion_assets.package.stage import GoldStage
from medallion_assets.package.tokens.tokenizer import TokenizerSpec
from medallion_assets.report.profile_stage import ProfileStage
from medallion_assets.roots import Roots, package_parent, project_folder
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
    """Every stage of a pipeline. Units, their contamination and recipes by name."""

    sources: tuple[SourceStages, ...]
    eval_sets: tuple[EvalStages, ...]
    eval_index: EvalIndexStage | None
    derived: tuple[DerivedStage, ...]
    contamination: dict[str, ContaminationStage]
    units: dict[str, UnitStage]
    curriculum: CurriculumStage | None
    recipes: dict[str, GoldStage]
    profile: ProfileStage

    def all(self) -> Iterator[Stage]:
        """In the order in which data flows."""
        yield from self.bronze()
        yield from (source.conformed for source in self.sources)
        yield from (eval_set.items for eval_set in self.eval_sets)
        yield from filter(None, [self.eval_index])
        yield from self.of_unit(ROLLOUT_UNIT)
        yield from self.derived  # from rollouts, for the other units
        for unit in self.units:
            if unit != ROLLOUT_UNIT:
                yield from self.of_unit(unit)
        yield from filter(None, [self.curriculum])
        yield from self.recipes.values()
        yield self.profile

    def of_unit(self, unit: str) -> list[Stage]:
        """What makes the unit's table of its conformed ones, in order; nothing where nothing feeds it."""
        found = (self.contamination.get(unit), self.units.get(unit))
        return [stage for stage in found if stage is not None]

    def bronze(self) -> Iterator[BronzeStage]:
        """What watches a landing folder."""
        yield from (source.bronze for source in self.sources)
        yield from (eval_set.bronze for eval_set in self.eval_sets)

    def fed_by(self, bronze: BronzeStage) -> list[Stage]:
        """The stages that an export of this feed passes through, in order."""
        for eval_set in self.eval_sets:
            if eval_set.bronze == bronze:
                return [bronze, eval_set.items, *self._judged_by_evals()]
        source = next(source for source in self.sources if source.bronze == bronze)
        return [bronze, source.conformed, *self._through(source.config.unit)]

    def _judged_by_evals(self) -> list[Stage]:
        """What another evaluation set may change: all that is decontaminated, and what is made of that."""
        if self.eval_index is None:
            return []
        everything = list(self.all())
        return everything[everything.index(self.eval_index) :]

    def _through(self, unit: str) -> list[Stage]:
        table = self.units[unit].table
        rated = [self.curriculum] if self.curriculum and self.curriculum.prompts == table else []
        packaged = [table, *(stage.table for stage in rated)]
        recipes = [recipe for recipe in self.recipes.values() if recipe.silver in packaged]
        return [*self.of_unit(unit), *rated, *recipes, self.profile]


def stages_of(config: PipelineConfig, roots: Roots, *, base: Path) -> PipelineStages:
    """`base` is the folder that relative tokenizer paths of the configuration start from."""
    sources = tuple(_source_stages(source, roots, config) for source in config.sources)
    fed = dict.fromkeys([*(source.unit for source in config.sources), *config.rollouts.feeds])
    rollouts = Table("silver", ROLLOUT_UNIT, UNIT_SCHEMAS[ROLLOUT_UNIT])
    derived = tuple(_derived_stages(config.rollouts, rollouts, quality_of(config.quality)))
    eval_sets = tuple(_eval_stages(eval_set, roots) for eval_set in config.eval_sets)
    eval_index = _eval_index(config.decontamination, eval_sets)
    conformed = {unit: _conformed(unit, sources, derived) for unit in fed}
    contamination = {
        unit: ContaminationStage(unit, tables, eval_index.table, eval_index.rules)
        for unit, tables in conformed.items()
        if eval_index is not None
    }
    units = {
        unit: _unit_stage(unit, tables, contamination.get(unit), config) for unit, tables in conformed.items()
    }
    curriculum = _curriculum(config.rollouts.pass_rates, units, rollouts)
    tables = {unit: stage.table for unit, stage in units.items()}
    if curriculum is not None:
        tables[curriculum.table.name] = curriculum.table
    recipes = {
        stage.recipe: stage
        for recipe in config.recipes
        for stage in _gold_stages(recipe, tables[recipe.unit], base)
    }
    return PipelineStages(
        sources=sources,
        eval_sets=eval_sets,
        eval_index=eval_index,
        derived=derived,
        contamination=contamination,
        units=units,
        curriculum=curriculum,
        recipes=recipes,
        profile=_profile(sources, units, recipes),
    )


def _source_stages(config: SourceConfig, roots: Roots, pipeline: PipelineConfig) -> SourceStages:
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
    conformed = ConformStage(
        bronze.table,
        config.unit,
        config.format,
        config.options,
        compare=_compared(config, pipeline),
        quality=quality_of(_quality(config, pipeline)),
    )
    return SourceStages(config, bronze, conformed)


def _quality(config: SourceConfig, pipeline: PipelineConfig) -> QualityConfig:
    """Rollouts are judged by what their own source says only: a bad answer is data too."""
    common = QualityConfig() if config.unit == ROLLOUT_UNIT else pipeline.quality
    return merged(common, config.quality)


def _compared(config: SourceConfig, pipeline: PipelineConfig) -> tuple[str, ...] | None:
    """What near-duplicates are found by: nothing where they are not looked for, None for the unit's own."""
    if pipeline.near_duplicates is None:
        return ()
    return tuple(config.compare) if config.compare is not None else None


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


def _derived_stages(config: RolloutsConfig, rollouts: Table, quality: Quality) -> Iterator[DerivedStage]:
    if config.preferences is not None:
        yield DerivedStage(rollouts, PREFERENCE_UNIT, config.preferences.min_margin, quality)
    if config.rejection_sampling is not None:
        yield DerivedStage(rollouts, SFT_UNIT, config.rejection_sampling.min_reward, quality)


def _conformed(
    unit: str, sources: tuple[SourceStages, ...], derived: tuple[DerivedStage, ...]
) -> tuple[tuple[str, Table], ...]:
    """What people delivered ranks before what was derived from rollouts."""
    delivered = ((each.config.name, each.conformed.table) for each in sources if each.config.unit == unit)
    made = ((each.source, each.table) for each in derived if each.unit == unit)
    return (*delivered, *made)


def _eval_index(
    config: DecontaminationConfig | None, eval_sets: tuple[EvalStages, ...]
) -> EvalIndexStage | None:
    if config is None or not eval_sets:
        return None
    sets = ((each.config.name, each.items.table, tuple(each.config.fields)) for each in eval_sets)
    return EvalIndexStage(tuple(sets), Rules(**config.model_dump()))


def _unit_stage(
    unit: str,
    conformed: tuple[tuple[str, Table], ...],
    contamination: ContaminationStage | None,
    config: PipelineConfig,
) -> UnitStage:
    near = config.near_duplicates
    return UnitStage(
        unit,
        conformed,
        max_policy_lag=config.rollouts.max_policy_lag if unit == ROLLOUT_UNIT else None,
        near_threshold=near.threshold if near else None,
        contamination=contamination.table if contamination else None,
    )


def _profile(
    sources: tuple[SourceStages, ...], units: dict[str, UnitStage], recipes: dict[str, GoldStage]
) -> ProfileStage:
    """Tokens are those of a unit's first recipe."""
    bronze = {source.config.name: source.bronze.table for source in sources}
    tokenizers = {recipe.silver.name: recipe.tokenizer for recipe in reversed(recipes.values())}
    return ProfileStage(tuple(units.values()), bronze, tokenizers)


def _curriculum(
    config: PassRatesConfig | None, units: dict[str, UnitStage], rollouts: Table
) -> CurriculumStage | None:
    if config is None:
        return None
    return CurriculumStage(units[PROMPT_UNIT].table, rollouts, PassRateRules(**config.model_dump()))


def _gold_stages(config: RecipeConfig, silver: Table, base: Path) -> Iterator[GoldStage]:
    """The recipe's, and the one that takes what it holds out."""
    stage = GoldStage(
        recipe=config.name,
        silver=silver,
        tokenizer=_tokenizer(config.tokenizer, base),
        packaging=Packaging(config.max_length, config.too_long, config.packing),
        selection=_selection(config),
    )
    yield stage
    if config.holdout is not None:
        held_out = replace(stage.selection, takes_held_out=True)
        yield replace(stage, recipe=config.holdout_name, selection=held_out)


def _selection(config: RecipeConfig) -> Selection:
    return Selection(
        mix=config.mix,
        where=config.where,
        first=config.landed.first,
        last=config.landed.last,
        held_out=config.holdout,
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
    """A relative folder is looked for beside the configuration, in the project, then beside this package."""
    places = (base, project_folder(), package_parent())
    return list(dict.fromkeys(folder / config.path for folder in places))
