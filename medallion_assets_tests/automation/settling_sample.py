"""A settled pipeline of three days to disturb, and ticks of automation that are executed at once."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_daemon_cursor import AssetDaemonCursor

from medallion_assets.automation.settle import Cause, Survey
from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets.roots import project_folder
from medallion_assets.storage.store import Build
from medallion_assets_tests.pipeline.sample import TOKENIZER, Site, alpaca, chat

DAYS = ("2024-09-01", "2024-09-02", "2024-09-03")
QUESTION = "How many ducks does the old farmer count on his pond every morning before breakfast?"
CONFIGURATION: dict[str, Any] = {
    "start_date": DAYS[0],
    "sources": [
        {"name": "alpaca", "unit": "sft_pairs", "format": "alpaca"},
        {"name": "chats", "unit": "sft_pairs", "format": "messages"},
    ],
    "eval_sets": [{"name": "quiz", "fields": ["question"]}],
    "recipes": [{"name": "packed", "unit": "sft_pairs", "tokenizer": TOKENIZER, "max_length": 128}],
    "settle": {"after": "5m", "changed_rules": "by_day"},
}
RECIPE = CONFIGURATION["recipes"][0]
START = datetime(2024, 9, 10, tzinfo=UTC)


def configured(**other: Any) -> PipelineConfig:
    return PipelineConfig.model_validate(deepcopy(CONFIGURATION) | other)


def land(site: Site) -> None:
    """Chats on two of the days only; the second day gives an item away that no evaluation set has yet."""
    for number, day in enumerate(DAYS):
        site.land(f"alpaca/{day}/a.jsonl", [alpaca(f"ask {day} {n}", f"answer {n}") for n in range(3)])
        if number != 1:
            site.land(f"chats/{day}/c.jsonl", [chat(f"ask {day}", f"answer {day}")])
    site.land(f"alpaca/{DAYS[1]}/b.jsonl", [alpaca(QUESTION, "112")])
    site.land(f"evals/quiz/{DAYS[0]}/q.jsonl", [{"question": "Nobody asks for this in any of these days."}])


def build(site: Site) -> None:
    """Everything that has landed, without Dagster: fast, and unknown to it."""
    taken(site)
    for stage in site.stages.all():
        for key in sorted(stage.due(site.store)):
            made = stage.build(site.store, key)
            assert isinstance(made, Build)
            site.store.overwrite(stage.table, key, made)


def taken(site: Site) -> None:
    """Bronze has what landed, and the run ended there."""
    for bronze in site.stages.bronze():
        inventory = bronze.inventory(site.store)
        days = [day.isoformat() for day in bronze.missing(site.store, inventory)]
        for key, append in bronze.builds(site.store, days, inventory).items():
            site.store.append(bronze.table, key, append)


def copy_of(settled: Path, folder: Path, **other: Any) -> Site:
    """The settled pipeline's folders, under another configuration."""
    shutil.copytree(settled, folder, dirs_exist_ok=True)
    return Site(folder, configured(**other))


def outdated(site: Site) -> dict[str, dict[str, Cause]]:
    """By table, as a new process sees it."""
    judged = Survey(site.stages, site.store, first=date.fromisoformat(DAYS[0])).look()
    assert not any(judgement.error for judgement in judged.values())
    return {
        "/".join(path): {key: each.cause for key, each in judgement.outdated.items()}
        for path, judgement in judged.items()
        if judgement.outdated
    }


@dataclass
class Automation:
    """The daemon: evaluates the conditions every ten minutes and runs what they ask for."""

    site: Site
    instance: dg.DagsterInstance
    now: datetime = START
    cursor: AssetDaemonCursor | None = None
    runs: list[dg.ExecuteInProcessResult] = field(default_factory=list)

    def tick(self) -> Mapping[str, list[str]]:
        """By date, the tables that a run of it is asked for."""
        self.now += timedelta(minutes=10)
        result = dg.evaluate_automation_conditions(
            self.site.defs, self.instance, evaluation_time=self.now, cursor=self.cursor
        )
        self.cursor = result.cursor
        asked: dict[str, list[str]] = {}
        for path in self.site.defs.resolve_asset_graph().materializable_asset_keys:
            for key in result.get_requested_partitions(path):
                asked.setdefault(str(key), []).append(path.to_user_string())
        return {key: sorted(paths) for key, paths in asked.items()}

    def run(self, key: str, tables: Sequence[str], **tags: str) -> dg.ExecuteInProcessResult:
        sensor = self.site.defs.get_sensor_def("settle")
        assert isinstance(sensor, dg.AutomationConditionSensorDefinition)
        job = self.site.defs.resolve_implicit_global_asset_job_def()
        self.runs.append(
            job.execute_in_process(
                asset_selection=[dg.AssetKey(table.split("/")) for table in tables],
                tags={"dagster/partition": key, **sensor.run_tags, **tags},
                instance=self.instance,
                raise_on_error=False,
            )
        )
        return self.runs[-1]

    def settle(self, most_ticks: int = 12) -> list[Mapping[str, list[str]]]:
        """Ticks until one asks for nothing after the first; what each of the others asked for."""
        self.tick()  # sees it for the first time
        asked = []
        for _ in range(most_ticks):
            now = self.tick()
            if not now:
                return asked
            asked.append(now)
            for key, tables in now.items():
                assert self.run(key, tables).success
            self.tick()  # another wait for what is left
        raise AssertionError(f"still asking after {most_ticks} ticks: {asked}")


def another_tokenizer(folder: Path) -> dict[str, str]:
    """The project's own, but for a word of its template."""
    shutil.copytree(project_folder() / TOKENIZER["path"], folder)
    template = folder / "chat_template.jinja"
    found = template if template.exists() else folder / "tokenizer_config.json"
    found.write_text(found.read_text().replace("<|im_end|>", "<|im_end|> "))
    return {"path": str(folder)}
