"""What README.md says is true: its YAML loads, its commands and variables exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from medallion_assets.config_file import check
from medallion_assets.conform.format import format_names
from medallion_assets.roots import Roots, project_folder

README = (project_folder() / "README.md").read_text()
MAKEFILE = (project_folder() / "Makefile").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_example_configuration_is_valid() -> None:
    (document,) = (yaml.safe_load(block) for block in blocks("yaml"))
    config = check(document["attributes"])
    assert [source.name for source in config.sources] == ["alpaca", "vendor"]


def test_the_python_examples_are_python() -> None:
    examples = blocks("python")
    assert len(examples) == 2
    for example in examples:
        compile(example, "README.md", "exec")


def test_every_make_target_named_is_there() -> None:
    named = set(re.findall(r"make ([a-z]+)", README))
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, flags=re.MULTILINE))
    assert {"demo", "test", "dev", "bench", "lock", "setup"} <= named
    assert {name for name in named if name in targets} == named - {"it"}


def test_every_format_is_named() -> None:
    assert all(name in README for name in format_names())


def test_the_environment_variables_move_the_roots(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    variables = sorted(set(re.findall(r"MEDALLION_\w+", README)))
    assert variables == ["MEDALLION_DATA", "MEDALLION_LANDING"]
    monkeypatch.setenv("MEDALLION_DATA", str(tmp_path))
    monkeypatch.delenv("MEDALLION_LANDING", raising=False)
    assert Roots.from_environment() == Roots(tmp_path, tmp_path / "landing")
    monkeypatch.setenv("MEDALLION_LANDING", str(tmp_path / "drop"))
    assert Roots.from_environment().landing == tmp_path / "drop"


def test_the_pictures_are_there() -> None:
    pictures = re.findall(r"!\[[^]]*\]\(([^)]+)\)", README)
    assert pictures
    assert all((project_folder() / picture).is_file() for picture in pictures)
