"""What README.md and docs/ say is true: their YAML loads, their commands and variables exist."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import click
import pytest
import yaml

from medallion_assets.cli import main, trace
from medallion_assets.config.file import check
from medallion_assets.config.pipeline import DecontaminationConfig, LimitsConfig, RecipeConfig
from medallion_assets.config.quality import QualityConfig
from medallion_assets.conform.format import format_names
from medallion_assets.conform.mapping import TARGETS
from medallion_assets.extract.redact import SALT_VARIABLE
from medallion_assets.package.choose.filter import columns_read
from medallion_assets.package.choose.select import rules_of
from medallion_assets.package.recipe import Selection
from medallion_assets.roots import Roots, project_folder
from medallion_assets.schemas import SFT_PAIRS
from medallion_assets.text.compared import PARTS

README = (project_folder() / "README.md").read_text()
MAKEFILE = (project_folder() / "Makefile").read_text()


SOURCES = (project_folder() / "docs/sources.md").read_text()
RECIPES = (project_folder() / "docs/recipes.md").read_text()
CURATION = (project_folder() / "docs/curation.md").read_text()
MAPPING_ROW = r"^\| `(\w+)` \| (`(?:prompt|messages)`.*) \|$"
FEEDS = [
    {"name": "questions", "unit": "rl_prompts", "format": "gsm8k"},
    {"name": "logs", "unit": "rl_rollouts", "format": "verl_rollouts"},
]


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def test_the_example_configuration_is_valid() -> None:
    (document,) = (yaml.safe_load(block) for block in blocks("yaml"))
    config = check(document["attributes"])
    assert [source.name for source in config.sources] == ["alpaca", "vendor", "math"]


def test_the_example_of_curation_is_valid() -> None:
    (document,) = (yaml.safe_load(block) for block in blocks("yaml", CURATION))
    config = check({"start_date": "2024-09-01", **document})
    assert config.sources[0].compare == ["user", "assistant"]


def test_every_threshold_and_part_is_named() -> None:
    names = [*QualityConfig.model_fields, *DecontaminationConfig.model_fields]
    parts = [part for parts in PARTS.values() for part in parts]
    assert [name for name in (*names, *parts) if f"`{name}`" not in CURATION] == []
    defaults = {name: field.default for name, field in QualityConfig.model_fields.items()}
    rows = dict(re.findall(r"^\| `(\w+)`[^|]*\| `?(\S+?)`? \|", CURATION, flags=re.MULTILINE))
    told = {name: value for name, value in rows.items() if name in defaults}
    assert told == {
        name: "off" if default is None else str(default) for name, default in defaults.items() if name in told
    }
    assert len(told) >= 10


def test_the_python_examples_are_python() -> None:
    examples = blocks("python")
    assert len(examples) == 3
    for example in examples:
        compile(example, "README.md", "exec")


def test_every_make_target_named_is_there() -> None:
    named = set(re.findall(r"make ([a-z-]+)", README))
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, flags=re.MULTILINE))
    assert {"demo", "test", "dev", "bench", "lock", "setup"} <= named
    assert {name for name in named if name in targets} == named - {"it"}


def test_every_format_is_named() -> None:
    assert [name for name in format_names() if f"`{name}`" not in SOURCES] == []


@pytest.mark.parametrize("block", blocks("yaml", SOURCES))
def test_each_example_of_a_source_is_valid(block: str) -> None:
    check({"start_date": "2024-09-01", "sources": FEEDS, **yaml.safe_load(block)})


def test_the_names_that_a_mapping_may_have_are_all_told() -> None:
    told = {
        unit: set(re.findall(r"`(\w+)`", names))
        for unit, names in re.findall(MAPPING_ROW, SOURCES, flags=re.MULTILINE)
    }
    assert told == {unit: set(targets.allowed) for unit, targets in TARGETS.items()}


def test_the_example_of_a_recipe_has_every_key_and_is_valid() -> None:
    document = yaml.safe_load(blocks("yaml", RECIPES)[0])
    [recipe] = document["recipes"]
    sources = [{"name": name, "unit": "sft_pairs", "format": "messages"} for name in recipe["mix"]]
    config = check({"start_date": "2024-09-01", "sources": sources, **document})
    assert set(recipe) == set(RecipeConfig.model_fields)
    assert config.recipes[0].landed.last == date(2024, 12, 31)


@pytest.mark.parametrize("line", blocks("yaml", RECIPES)[1].splitlines())
def test_each_example_of_a_filter_is_one(line: str) -> None:
    assert columns_read(yaml.safe_load(line)["where"], SFT_PAIRS)


def test_the_reasons_of_selection_are_told_in_their_order() -> None:
    told = re.findall(r"`(\w+)`", "".join(re.findall(r"\| ([^|]*) \|$", RECIPES, flags=re.MULTILINE)))
    sides = [Selection({"a": 1}, "true", date(2024, 9, 1), None, 0.1, takes) for takes in (False, True)]
    train, held_out = ([rule.reason for rule in rules_of(side)] for side in sides)
    assert told == [*train[:-1], held_out[-2], train[-1]]


def test_the_limits_are_those_in_force() -> None:
    (told,) = re.findall(r"`limits: (\{.*\})`", SOURCES)
    assert yaml.safe_load(told) == LimitsConfig().model_dump()


def test_the_environment_variables_move_the_roots(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    variables = sorted(set(re.findall(r"MEDALLION_\w+", README)))
    assert variables == ["MEDALLION_DATA", "MEDALLION_LANDING", SALT_VARIABLE]
    monkeypatch.setenv("MEDALLION_DATA", str(tmp_path))
    monkeypatch.delenv("MEDALLION_LANDING", raising=False)
    assert Roots.from_environment() == Roots(tmp_path, tmp_path / "landing")
    monkeypatch.setenv("MEDALLION_LANDING", str(tmp_path / "drop"))
    assert Roots.from_environment().landing == tmp_path / "drop"


def test_the_pictures_are_there() -> None:
    pictures = re.findall(r"!\[[^]]*\]\(([^)]+)\)", README)
    assert pictures
    assert all((project_folder() / picture).is_file() for picture in pictures)


def test_the_commands_take_these_options() -> None:
    told = set()
    for line in re.findall(r"^medallion (.*)$", README, flags=re.MULTILINE):
        command: click.Command = main
        words = line.split()
        while isinstance(command, click.Group):
            command = command.commands[words.pop(0)]
        command.make_context(line, words)
        told.add(command)
    assert told >= {main.commands["audit"], *trace.commands.values()}
