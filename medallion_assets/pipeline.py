"""The assembler: one configuration becomes one Dagster Definitions.

Belongs here: the public factory and the Dagster component around it. Does not: what any asset does.
"""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import GetJsonSchemaHandler, RootModel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from medallion_assets.assets.documented import Pipeline, documented
from medallion_assets.assets.releases import release_asset
from medallion_assets.assets.tables import bronze_assets, silver_and_gold_assets
from medallion_assets.automation.alerts import Alerts, alerts_sensor
from medallion_assets.automation.audits import audit_schedule
from medallion_assets.automation.conditions import automated, settle_sensor
from medallion_assets.automation.inspection import inspection_schedule
from medallion_assets.automation.jobs import ingest_jobs, nightly_schedule, sweep_schedule, tables_by_job
from medallion_assets.automation.prune import prune_schedule
from medallion_assets.automation.refusals import blocking_checks
from medallion_assets.automation.sensors import landing_sensor
from medallion_assets.automation.settling import Settling
from medallion_assets.automation.streams import stream_assets, streams_sensor
from medallion_assets.automation.watch import Watch, watch_checks, watch_sensor
from medallion_assets.checks.asset_checks import asset_checks
from medallion_assets.checks.releases import audit_check
from medallion_assets.checks.store_checks import store_asset, store_checks
from medallion_assets.config.file import ConfigError, check, load_config
from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets.fanout.backends import backend_of
from medallion_assets.fanout.partitions import Fanout
from medallion_assets.release.cut import Plan
from medallion_assets.release.drift import Today
from medallion_assets.roots import Roots
from medallion_assets.stages import stages_of, tokenizer_problems
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
    store = PartitionStore(roots.store)
    stages = stages_of(config, roots, base=base)
    # The day of landing is a partition at once, not only when it is over.
    days = dg.DailyPartitionsDefinition(start_date=config.start_date.isoformat(), end_offset=1)
    plans = [Plan.of(release, config, stages) for release in config.releases]
    checks = list(asset_checks(config, stages, store))
    settling = Settling(stages, store, config.start_date, blocking_checks(checks), tables_by_job(stages))
    watch = Watch(config, settling)
    inspection = store_checks(stages, store)
    audits = [audit_check(plan.config.name, partial(Today.of, config, stages), store) for plan in plans]
    all_checks = [*checks, *watch_checks(watch), inspection, *audits]
    jobs = ingest_jobs(stages, watch.check_keys())
    tables = [
        *bronze_assets(stages, days, store),
        *automated(list(silver_and_gold_assets(stages, days, store)), settling, config.settle),
        *(release_asset(plan, store) for plan in plans),
    ]
    return dg.Definitions(
        assets=[
            *documented(tables, Pipeline(config, stages, plans, store)),
            store_asset(config.owner),
            *stream_assets(config),
        ],
        asset_checks=all_checks,
        jobs=[*jobs.values()],
        sensors=[
            *(
                landing_sensor(bronze, jobs[bronze.source], days, store, stages.fed_by(bronze)[1:])
                for bronze in stages.bronze()
            ),
            settle_sensor(settling, config.settle),
            watch_sensor(watch),
            *([streams_sensor(config.streams, roots.data)] if config.streams else []),
            *([alerts_sensor(Alerts.of(config.alerts, all_checks))] if config.alerts else []),
        ],
        schedules=[
            nightly_schedule(settling, days, watch.check_keys()),
            prune_schedule(),
            inspection_schedule(inspection),
            sweep_schedule(stages, store),
            *([audit_schedule(audits)] if audits else []),
        ],
        resources={
            "io_manager": MedallionIOManager(
                roots,
                {dg.AssetKey(each.asset_path): each for each in stages.all()},
                Fanout(backend_of(config.fanout.backend, config.fanout.workers)),
            ),
            "settling": settling,
        },
        executor=dg.in_process_executor,
    )


__all__ = ["ConfigError", "MedallionPipeline", "build_pipeline"]
