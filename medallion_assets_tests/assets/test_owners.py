"""Owners pass from sources to all that is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medallion_assets.assets.owners import owners_of
from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets_tests.pipeline.sample import TOKENIZER, Site

SOURCES = [
    {"name": "a", "unit": "sft_pairs", "format": "alpaca", "owner": "team:a"},
    {"name": "b", "unit": "sft_pairs", "format": "messages", "owner": "team:b"},
    {"name": "c", "unit": "rl_prompts", "format": "gsm8k", "owner": "team:c"},
]
RECIPE = {"name": "packed", "unit": "sft_pairs", "tokenizer": TOKENIZER, "holdout": 0.5}
QUIZ = {"name": "quiz", "fields": ["question"]}


def owners(folder: Path, **attributes: Any) -> dict[str, tuple[str, ...]]:
    start = {"start_date": "2024-09-01", "sources": SOURCES, "recipes": [RECIPE], "eval_sets": [QUIZ]}
    config = PipelineConfig.model_validate(start | attributes)
    return {"/".join(path): found for path, found in owners_of(Site(folder, config).stages, config).items()}


def test_a_table_is_owned_by_those_whose_sources_feed_it(tmp_path: Path) -> None:
    found = owners(tmp_path)
    assert (found["bronze/a"], found["silver/b_conformed"]) == (("team:a",), ("team:b",))
    assert found["silver/sft_pairs"] == found["gold/packed_holdout"] == ("team:a", "team:b")
    assert found["silver/profile"] == ("team:a", "team:b", "team:c")


def test_who_owns_an_evaluation_owns_nothing_of_what_it_judges(tmp_path: Path) -> None:
    found = owners(tmp_path, eval_sets=[QUIZ | {"owner": "team:quiz"}])
    assert found["silver/eval_quiz"] == found["silver/eval_index"] == ("team:quiz",)
    assert found["silver/rl_prompts"] == found["silver/rl_prompts_contamination"] == ("team:c",)


def test_a_recipe_may_have_an_owner_of_its_own(tmp_path: Path) -> None:
    found = owners(tmp_path, recipes=[RECIPE | {"owner": "team:trainers"}])
    assert found["gold/packed"] == found["gold/packed_holdout"] == ("team:trainers",)


def test_what_would_be_nobodys_is_the_pipelines(tmp_path: Path) -> None:
    nobodys = [{key: value for key, value in source.items() if key != "owner"} for source in SOURCES[:2]]
    assert set(owners(tmp_path / "1", sources=nobodys, owner="team:all").values()) == {("team:all",)}
    assert set(owners(tmp_path / "2", sources=nobodys).values()) == {()}
