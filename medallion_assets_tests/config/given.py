"""A good configuration, and what is told of others.

Belongs here: what several files of laws start from. Does not: the laws.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from medallion_assets.config.file import ConfigError, check, load_config
from medallion_assets.config.pipeline import PipelineConfig, RecipeConfig, SourceConfig, TokenizerConfig
from medallion_assets.conform.format import format_names

GOOD = """\
start_date: "2024-09-01"
sources:
  - name: first
    unit: sft_pairs
    format: alpaca
    owner: team:data
recipes:
  - name: recipe
    unit: sft_pairs
    tokenizer: {path: somewhere}
"""
COMPONENT = "type: medallion_assets.MedallionPipeline\n\nattributes:\n" + "".join(
    f"  {line}\n" for line in GOOD.splitlines()
)
FORMATS = f"allowed: {', '.join(format_names())}"
PACKAGED = "allowed: preference_triples, rl_curriculum, rl_prompts, rl_rollouts, sft_pairs"
SLUG = "expected a slug: lower-case letters, digits and '_', beginning with a letter, at most 60"
OWNER = "expected 'team:<name>' or an e-mail address"
SOURCE_KEYS = f"allowed: {', '.join(sorted(SourceConfig.model_fields))}"
RECIPE_KEYS = f"allowed: {', '.join(sorted(RecipeConfig.model_fields))}"
TOP_KEYS = f"allowed: {', '.join(sorted(PipelineConfig.model_fields))}"
CONFIG = PipelineConfig(
    start_date=date(2024, 9, 1),
    sources=[SourceConfig(name="first", unit="sft_pairs", format="alpaca", owner="team:data")],
    recipes=[RecipeConfig(name="recipe", unit="sft_pairs", tokenizer=TokenizerConfig(path="somewhere"))],
)


def problems(file: Path, text: str) -> list[str]:
    """The lines of the error, without its head and with the file called F."""
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    head, *lines = str(caught.value).split("\n  ")
    count = len(caught.value.problems)
    assert head == f"the pipeline's configuration has {count} problem{'s' if count > 1 else ''}:"
    return [line.replace(f"{file}", "F") for line in lines]


def source(**keys: Any) -> dict[str, Any]:
    return {"name": "feed", "unit": "sft_pairs", "format": "alpaca", **keys}


def problems_of(**attributes: Any) -> list[str]:
    """Each problem as place: message."""
    with pytest.raises(ConfigError) as caught:
        check({"start_date": "2024-09-01", **attributes})
    return [line.strip() for line in str(caught.value).splitlines()[1:]]
