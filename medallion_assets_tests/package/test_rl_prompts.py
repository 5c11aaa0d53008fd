"""Laws of RL prompts in gold: verl and TRL read one file, and nothing is lost."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.checks.conservation import Balance, balance_of
from medallion_assets.package.recipe import Packaging, Selection
from medallion_assets.records import canonical_json
from medallion_assets.schemas import RL_CURRICULUM, RL_PROMPTS
from medallion_assets.units import Message, RlPrompt
from medallion_assets_tests.package.golden import (
    KEY,
    Row,
    built,
    packaged,
    prompts,
    reasons,
    says,
    silver_rows,
    transformers_tokenizer,
    turns_of,
    user,
    written,
)

TOOLS = canonical_json([{"type": "function", "function": {"name": "find", "parameters": {}}}])


def made(*records: RlPrompt, **rules: Any) -> tuple[list[Row], list[Row], Row]:
    return packaged(RL_PROMPTS, silver_rows(records), Packaging(**{"max_length": 4096, **rules}))


def tokens(record: RlPrompt) -> int:
    """As transformers renders and encodes the prompt."""
    tools = json.loads(record.tools) if record.tools else None
    render = transformers_tokenizer().apply_chat_template
    return len(render(turns_of(record.prompt), tools=tools, add_generation_prompt=True)["input_ids"])


@given(st.lists(st.builds(RlPrompt, prompts()), max_size=8), st.sampled_from([24, 60, 4096]))
@settings(max_examples=40)
def test_every_record_is_a_prompt_that_fits_or_a_reject(records: list[RlPrompt], max_length: int) -> None:
    rows, rejects, summary = made(*records, max_length=max_length)
    lengths = {record.as_row()["record_id"]: tokens(record) for record in records}
    assert Counter(row["record_id"] for row in [*rows, *rejects]) == Counter(lengths.keys())
    assert {row["record_id"]: row["prompt_length"] for row in rows} == {
        name: length for name, length in lengths.items() if length <= max_length
    }
    assert {reject["reason"] for reject in rejects} <= {"too_long"}
    assert summary["tokens"] == sum(row["prompt_length"] for row in rows)


def test_a_row_has_what_verl_and_trl_ask_for() -> None:
    record = RlPrompt(
        [Message("system", "be brief"), user("1 + 1")],
        ground_truth="2",
        verifier="gsm8k",
        data_source="gsm8k",
        ability="math",
        extra_info='{"solution":"…"}',
        tools=TOOLS,
    )
    [row], _, _ = made(record)
    record_id = record.as_row()["record_id"]
    assert row == {
        "record_id": record_id,
        "source": "feed",
        "data_source": "openai/gsm8k",
        "prompt": turns_of(record.prompt),
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": "2"},
        "extra_info": {
            "split": "train",
            "index": int(record_id[:13], 16),
            "record_id": record_id,
            "source": "feed",
            "verifier": "gsm8k",
            "given": '{"solution":"…"}',
        },
        "tools": TOOLS,
        "prompt_key": record.as_row()["prompt_key"],
        "prompt_length": tokens(record),
    }


def test_what_nothing_can_be_compared_with_is_left_to_a_model() -> None:
    [row], _, _ = made(RlPrompt([user("write a poem")]))
    assert row["reward_model"] == {"style": "model", "ground_truth": None}


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"data_source": "mine", "verifier": "math"}, "mine"),
        ({"verifier": "math"}, "math"),
        ({"verifier": "gsm8k"}, "openai/gsm8k"),
        ({}, "feed"),
    ],
)
def test_the_data_source_is_the_name_given_else_the_verifiers_else_the_feeds(
    known: dict[str, str], expected: str
) -> None:
    [row], _, _ = made(RlPrompt([user("q")], ground_truth="1", **known))
    assert row["data_source"] == expected


def test_a_prompt_is_never_cut() -> None:
    record = RlPrompt([user("word " * 50)])
    rows, rejects, _ = made(record, max_length=tokens(record) - 1)
    assert rows == []
    assert [(reject["reason"], reject["detail"]) for reject in rejects] == [
        ("too_long", f"{tokens(record)} tokens; max_length is {tokens(record) - 1}")
    ]


def test_a_prompt_with_calls_is_rejected_since_trainers_would_not_read_them() -> None:
    call = canonical_json([{"type": "function", "function": {"name": "find", "arguments": {}}}])
    record = RlPrompt([user("q"), says("", tool_calls=call), Message("tool", "found")], tools=TOOLS)
    rows, rejects, _ = made(record)
    assert (rows, reasons(rejects)) == ([], {1: "not_plain_turns"})


def test_the_curriculum_is_packaged_the_same_with_its_pass_rates() -> None:
    records = [RlPrompt([user(f"ask {n}")], ground_truth=f"{n}") for n in range(5)]
    rates = {"attempts": 8, "solved": 2, "pass_rate": 0.25}
    plain, _, _ = made(*records)
    rated, _, _ = packaged(RL_CURRICULUM, silver_rows(records, **rates))
    assert rated == [row | rates for row in plain]


def test_copies_that_a_mix_makes_are_all_there_and_balance(tmp_path: Path) -> None:
    store, stage = built(RL_PROMPTS, MANY, tmp_path)
    twice = replace(stage, selection=Selection(mix={"feed": 2}))
    store.overwrite(twice.table, KEY, twice.build(store, KEY))
    counts = Counter(
        row["record_id"] for batch in store.batches(twice.table, KEY) for row in batch.to_pylist()
    )
    assert counts == {row["record_id"]: 2 for row in MANY}
    assert balance_of(twice, store, KEY) == Balance(0, 0, ())


def test_what_is_held_out_is_of_the_split_test(tmp_path: Path) -> None:
    store, stage = built(RL_PROMPTS, MANY, tmp_path)
    sides = {
        split: replace(stage, recipe=split, selection=Selection(held_out=0.5, takes_held_out=split == "test"))
        for split in ("train", "test")
    }
    found = []
    for split, side in sides.items():
        store.overwrite(side.table, KEY, side.build(store, KEY))
        rows = [row for batch in store.batches(side.table, KEY) for row in batch.to_pylist()]
        assert {row["extra_info"]["split"] for row in rows} == {split}
        found += [row["record_id"] for row in rows]
    assert sorted(found) == sorted(row["record_id"] for row in MANY)


MANY = silver_rows([RlPrompt([user("word " * (n % 9) + f"{n}")], ground_truth="1") for n in range(150)])


@pytest.mark.parametrize("batch_rows", [1, 7])
def test_the_batches_in_which_silver_is_read_change_no_byte(batch_rows: int, tmp_path: Path) -> None:
    whole = written(RL_PROMPTS, MANY, tmp_path / "whole")
    assert written(RL_PROMPTS, MANY[::-1], tmp_path / "batched", batch_rows=batch_rows) == whole
