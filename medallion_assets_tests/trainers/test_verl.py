"""What verl's own dataset class makes of RL prompts; skipped where verl is not, as after `make trainers`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from medallion_assets.schemas import RL_PROMPTS
from medallion_assets.units import Message, RlPrompt
from medallion_assets_tests.package.golden import says, transformers_tokenizer, turns_of, user
from medallion_assets_tests.trainers.tiny import from_parquet, gold_files, words


def prompts() -> list[RlPrompt]:
    asked = ([Message("system", "be brief"), user(words(n))] if n % 2 else [user(words(n))] for n in range(9))
    return [
        *(RlPrompt(turns, f"{n}", "gsm8k", extra_info='{"n":1}') for n, turns in enumerate(asked)),
        RlPrompt([user("first"), says("so"), user("then")]),
    ]


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    return gold_files(RL_PROMPTS, prompts(), tmp_path)


def dataset(files: list[str], cache: Path, **other: Any) -> Any:
    rl_dataset = pytest.importorskip("verl.utils.dataset.rl_dataset", reason="verl is not installed here")
    from omegaconf import OmegaConf

    known = {"cache_dir": str(cache), "max_prompt_length": 4096, "filter_overlong_prompts_workers": 1}
    config = OmegaConf.create({**known, **other})
    return rl_dataset.RLHFDataset(files, transformers_tokenizer(), config)


def test_verl_reads_every_prompt_with_what_rewards_it(files: list[str], tmp_path: Path) -> None:
    read = dataset(files, tmp_path)
    gold = {row["record_id"]: row for row in from_parquet(files)}
    by_id = {record.as_row()["record_id"]: record for record in prompts()}
    assert len(read) == len(gold) == len(by_id)
    for row in (read[n] for n in range(len(read))):
        record = by_id[row["record_id"]]
        assert row["raw_prompt"] == turns_of(record.prompt)
        assert row["reward_model"]["ground_truth"] == record.ground_truth
        assert row["data_source"] == ("openai/gsm8k" if record.verifier else "feed")
        assert row["index"] == row["extra_info"]["index"] == gold[row["record_id"]]["extra_info"]["index"]
        assert (row["tools_kwargs"], row["interaction_kwargs"]) == ({}, {})


def test_verl_counts_the_tokens_of_a_prompt_as_we_do(files: list[str], tmp_path: Path) -> None:
    lengths = sorted(row["prompt_length"] for row in from_parquet(files))
    most = lengths[len(lengths) // 2]
    assert len(dataset(files, tmp_path, max_prompt_length=most)) == sum(each <= most for each in lengths)


def test_verls_own_reward_knows_the_data_source(files: list[str], tmp_path: Path) -> None:
    scores = pytest.importorskip("verl.utils.reward_score", reason="verl is not installed here")
    for row in from_parquet(files):
        truth = row["reward_model"]["ground_truth"]
        if truth is not None:
            told = {"data_source": row["data_source"], "ground_truth": truth, "extra_info": row["extra_info"]}
            assert scores.default_compute_score(solution_str=f"so #### {truth}", **told) == 1.0
