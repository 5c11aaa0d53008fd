"""What TRL's DPOTrainer makes of preference gold, read straight from Parquet."""

from __future__ import annotations

import math
from typing import Any

import pytest

from medallion_assets.records import canonical_json
from medallion_assets.schemas import PREFERENCE_TRIPLES
from medallion_assets.units import Preference
from medallion_assets_tests.package.golden import says, transformers_tokenizer, user
from medallion_assets_tests.trainers.tiny import QUIET, from_parquet, gold_files, losses, model, words

TOOLS = canonical_json([{"type": "function", "function": {"name": "find", "parameters": {}}}])
IDS = ("prompt_ids", "chosen_ids", "rejected_ids")


def pairs() -> list[Preference]:
    """With tools on offer and thoughts now and then."""
    return [
        Preference(
            [user(words(n))],
            [says(words(100 + n), reasoning_content=words(n, most=3) if n % 4 == 0 else None)],
            [says(words(200 + n))],
            tools=TOOLS if n % 3 == 0 else None,
        )
        for n in range(12)
    ]


@pytest.fixture(scope="module")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return from_parquet(gold_files(PREFERENCE_TRIPLES, pairs(), tmp_path_factory.mktemp("gold")))


@pytest.fixture(scope="module")
def trainer(gold: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    from trl import DPOConfig, DPOTrainer

    args = DPOConfig(
        output_dir=str(tmp_path_factory.mktemp("out")),
        max_length=None,
        per_device_train_batch_size=4,
        **QUIET,
    )
    return DPOTrainer(
        model=model(),
        ref_model=model(),
        args=args,
        train_dataset=gold,
        processing_class=transformers_tokenizer(),
    )


def test_the_ids_that_trl_makes_of_the_messages_are_those_of_the_table(gold: Any, trainer: Any) -> None:
    theirs = [[row[name] for name in IDS] for row in trainer.train_dataset]
    assert theirs == [[row[name] for name in IDS] for row in gold]
    assert any(row["tools"] for row in gold)


def test_it_trains(trainer: Any) -> None:
    """From a policy that is its own reference, which does not prefer anything."""
    trainer.train()
    first, second = losses(trainer)
    assert first == pytest.approx(math.log(2), abs=1e-4)
    assert math.isfinite(second)
    assert second != first
