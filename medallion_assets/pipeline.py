"""The assembler: one configuration becomes one Dagster Definitions.

Belongs here: the public factory and the Dagster component around it. Does not: what any asset does.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import GetJsonSchemaHandler, RootModel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from medallion_assets.assets.bronze import bronze_asset
from medallion_assets.assets.gold import gold_asset
from medallion_assets.assets.profile import profile_asset
from medallion_assets.assets.releases import release_asset
from medallion_assets.assets.silver import (
    conformed_asset,
    contamination_asset,
    curriculum_asset,
    derived_asset,
    eval_asset,
    eval_index_asset,
    unit_asset,
)
from medallion_assets.automation.audits import audit_schedule
from medallion_assets.automation.inspection import inspection_schedule
from medallion_assets.automation.jobs import ingest_jobs, nightly_schedule, sweep_schedule
from medallion_assets.automation.sensors import landing_sensor
from medallion_assets.checks.asset_checks import asset_checks
from medallion_assets.checks.releases import audit_check
from medallion_assets.checks.store_checks import store_asset, store_checks
from medallion_assets.config import PipelineConfig
from medallion_assets.config_file import ConfigError, check, load_config
from medallion_assets.release.cut import Plan
from medallion_assets.release.drift import Today
from medallion_assets.roots import Roots
from medallion_assets.stages import PipelineStages, stages_of, tokenizer_problems
from medallion_assets.storage.io_manager import MedallionIOManager
from medallion_assets.storage.store import PartitionStore


def build_pipeline(config: str | Path | PipelineConfig, *, roots: Roots | None = None) -> dg.Definitions:
    """Everything that Dagster needs for one pipeline: assets, jobs, sensors, schedule, IO manager.

    `config` is a YAML file (a component document or its bare attributes) or the model itself; `roots`
    stand in for those of the environment. Raises ConfigError with every problem found.
    """
    with warnings.catch_warnings():
        # Backfill policies are marked beta; range runs from the command line can't be had without them.
        warnings.simplefilter("ignore", dg.BetaWarning)
        if isinstance(config, PipelineConfig):
            return _definitions(check(config.model_dump(mode="json")), roots, file=None)
        path = Path(config).absolute()
        return _definitions(load_config(path), roots, file=path)


class _Attributes(RootModel[Any]):
    """The component's attributes, unchecked: load_config gives better errors, the same on every way in."""

    @classmethod
    def __get_pydantic_json_schema__(cls, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler.resolve_ref_schema(handler(PipelineConfig.__pydantic_core_schema__))


class MedallionPipeline(dg.Component):
    """A whole medallion pipeline from one YAML document: sources, units and recipes."""

    def __init__(self, config_file: Path) -> None:
        self._config_file = config_file

    @classmethod
    def get_model_cls(cls) -> type[_Attributes]:
        return _Attributes

    @classmethod
    def load(cls, attributes: Any, context: dg.ComponentLoadContext) -> MedallionPipeline:
        return cls(context.path / "defs.yaml" if context.path.is_dir() else context.path)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        return build_pipeline(self._config_file)


def _definitions(config: PipelineConfig, roots: Roots | None, *, file: Path | None) -> dg.Definitions:
    base = file.parent if file else Path.cwd()
    if problems := tokenizer_problems(config, base=base):
        raise ConfigError(problems, file=file)
    roots = roots or Roots.from_environment()
    store = PartitionStore(roots.data)
    stages = stages_of(config, roots, base=base)
    # The day of landing is a partition at once, not only when it is over.
    days = dg.DailyPartitionsDefinition(start_date=config.start_date.isoformat(), end_offset=1)
    jobs = ingest_jobs(stages)
    today = partial(Today.of, config, stages)
    inspection = store_checks(stages, store)
    audits = [audit_check(release.name, today, store) for release in config.releases]
    return dg.Definitions(
        assets=[
            *_bronze_assets(stages, days, store),
            *(conformed_asset(source, days, store) for source in stages.sources),
            *(eval_asset(eval_set.items, days, store) for eval_set in stages.eval_sets),
            *(eval_index_asset(index, days, store) for index in filter(None, [stages.eval_index])),
            *(contamination_asset(stage, days, store) for stage in stages.contamination.values()),
            *(unit_asset(unit, days, store, bronze=stages.profile.bronze) for unit in stages.units.values()),
            *(derived_asset(stage, days, store) for stage in stages.derived),
            *(curriculum_asset(stage, days, store) for stage in filter(None, [stages.curriculum])),
            *(gold_asset(recipe, days, store) for recipe in stages.recipes.values()),
            profile_asset(stages.profile, days, store),
            *(release_asset(Plan.of(release, config, stages), store) for release in config.releases),
            store_asset(),
        ],
        asset_checks=[*asset_checks(config, stages, store), inspection, *audits],
        jobs=[*jobs.values()],
        sensors=[landing_sensor(bronze, jobs[bronze.source], days, store) for bronze in stages.bronze()],
        schedules=[
            nightly_schedule(stages, days, store),
            sweep_schedule(stages, store),
            inspection_schedule(inspection),
            *([audit_schedule(audits)] if audits else []),
        ],
        resources={
            "io_manager": MedallionIOManager(
                roots, {dg.AssetKey(stage.asset_path): stage for stage in stages.all()}
            )
        },
        executor=dg.in_process_executor,
    )


def _bronze_assets(
    stages: PipelineStages, days: dg.PartitionsDefinition[str], store: PartitionStore
) -> Iterator[dg.AssetsDefinition]:
    for source in stages.sources:
        about = f"Exports of **{source.config.name}** ({source.config.format})."
        owner = source.config.owner
        yield bronze_asset(source.bronze, about=about, owner=owner, partitions=days, store=store)
    for eval_set in stages.eval_sets:
        about = f"Deliveries of the evaluation set **{eval_set.config.name}**."
        yield bronze_asset(eval_set.bronze, about=about, owner=None, partitions=days, store=store)


__all__ = ["ConfigError", "MedallionPipeline", "build_pipeline"]
