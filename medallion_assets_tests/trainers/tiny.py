"""Gold on disk, and models of a few thousand numbers, drawn at random, that train on it within seconds."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medallion_assets.package.recipe import Packaging
from medallion_assets.schemas import TableSchema
from medallion_assets.units import Conversation, Record
from medallion_assets_tests.package.golden import (
    KEY,
    ROOMY,
    built,
    says,
    silver_rows,
    transformers_tokenizer,
    user,
)

# What every trainer is told here: the processor, no logs but to memory, nothing saved, the same each time.
QUIET: dict[str, Any] = {
    "use_cpu": True,
    "bf16": False,
    "report_to": "none",
    "save_strategy": "no",
    "logging_steps": 1,
    "disable_tqdm": True,
    "max_steps": 2,
    "learning_rate": 1e-2,
    "seed": 1,
}


def words(seed: int, *, most: int = 24) -> str:
    draw = random.Random(seed)
    return " ".join(
        draw.choice(["red", "blue", "seven", "walks", "home", "42"]) for _ in range(draw.randint(1, most))
    )


def conversations(count: int = 24) -> list[Conversation]:
    """Of one or two exchanges."""
    return [
        Conversation(
            [
                turn
                for n in range(1 + seed % 2)
                for turn in (user(words(10 * seed + n)), says(words(-10 * seed - n)))
            ]
        )
        for seed in range(count)
    ]


def gold_files(
    schema: TableSchema, records: Sequence[Record], folder: Path, rules: Packaging = ROOMY
) -> list[str]:
    store, stage = built(schema, silver_rows(records), folder, rules)
    assert not [row for batch in store.batches(stage.table, KEY, rejects=True) for row in batch.to_pylist()]
    return [str(path) for path in store.paths(stage.table, KEY)]


def from_parquet(files: Sequence[str]) -> Any:
    """As a training script reads it."""
    from datasets import load_dataset

    return load_dataset("parquet", data_files=list(files), split="train")


def model(attention: str = "sdpa") -> Any:
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    tokenizer = transformers_tokenizer()
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        initializer_range=0.5,  # so that what a token sees shows in what follows
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        attn_implementation=attention,
    )
    return Qwen2ForCausalLM(config)


def losses(trainer: Any) -> list[float]:
    """Those that the trainer logged, a step each."""
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
