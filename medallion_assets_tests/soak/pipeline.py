"""The soak's pipeline: four sources of three units, and a format that fails for as long as a file is there.

Belongs here: configuration, and the fault that the code location is started with. Does not: what lands
(deliveries.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any

import yaml

from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets.conform.formats import verl
from medallion_assets_tests.instance import DEFINITIONS, write_workspace
from medallion_assets_tests.pipeline.sample import TOKENIZER

DAYS = tuple((datetime.now(UTC).date() - timedelta(days=ago)).isoformat() for ago in range(4, -1, -1))
FAULT_VARIABLE, RECEIVER_VARIABLE = "SOAK_FAULT", "SOAK_RECEIVER"
FAULT = "the format fails while the soak wants it to"
PIPELINE = {
    "start_date": DAYS[0],
    "sources": [
        {"name": "alpaca", "unit": "sft_pairs", "format": "alpaca"},
        {"name": "chats", "unit": "sft_pairs", "format": "messages"},
        {"name": "pairs", "unit": "preference_triples", "format": "preference"},
        {"name": "prompts", "unit": "rl_prompts", "format": "verl"},
    ],
    "alerts": {"every_minutes": 0, "webhooks": [{"name": "soak", "url_env": RECEIVER_VARIABLE}]},
    "recipes": [
        {"name": "packed", "unit": "sft_pairs", "tokenizer": TOKENIZER, "max_length": 256},
        {"name": "dpo", "unit": "preference_triples", "tokenizer": TOKENIZER},
        {"name": "grpo", "unit": "rl_prompts", "tokenizer": TOKENIZER},
    ],
}
CONFIG = PipelineConfig.model_validate(PIPELINE)
FAULTY_DEFINITIONS = (
    f"from medallion_assets_tests.soak.pipeline import plant_fault\nplant_fault()\n{DEFINITIONS}"
)


def workspace(folder: Path) -> Path:
    """The pipeline's code location with the fault in it."""
    file = write_workspace(folder, yaml.safe_dump(PIPELINE))
    (folder / "definitions.py").write_text(FAULTY_DEFINITIONS)
    return file


def plant_fault() -> None:
    """From now on, in this process, verl's format fails while the file that the variable names is there."""
    verl.conform = failing(verl.conform, Path(os.environ[FAULT_VARIABLE]))


def failing(conform: Callable[..., Any], fault: Path) -> Callable[..., Any]:
    @wraps(conform)
    def conform_or_fail(*arguments: Any) -> Any:
        if fault.exists():
            raise RuntimeError(FAULT)
        return conform(*arguments)

    return conform_or_fail
