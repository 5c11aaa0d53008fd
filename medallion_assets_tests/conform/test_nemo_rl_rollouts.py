"""Laws of the nemo_rl_rollouts format; the lines are those of Logger.log_batched_dict_as_jsonl."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.conform import rollout_names
from medallion_assets.conform.delivery import Delivery, Options
from medallion_assets.conform.formats import nemo_rl_rollouts
from medallion_assets.records import Rejected
from medallion_assets.units import Message, Rollout
from medallion_assets_tests.conform.rows import bronze_row, conformed

HERE = Delivery("feed", "grpo/exp_001/train_data_step7.jsonl", 9, Options())
RECORD = {
    "content": [["6 * 7?", "42"]],
    "rewards": [1.0],
    "input_lengths": [4],
    "token_ids": [[11, 12, 21, 22, 0, 0]],
    "token_loss_mask": [[0, 0, 1, 1, 0, 0]],
    "sample_loss_mask": [1.0],
    "advantages": [[0.5] * 6],
    "generation_logprobs": [[0.0, 0.0, -0.5, -0.25, 0.0, 0.0]],
    "prev_logprobs": [[0.0, -3.0, -0.75, -0.125, -9.0, -9.0]],
    "idx": 5,
}
ROLLOUT = Rollout(
    run="grpo/exp_001",
    step=7,
    sample=5,
    policy_version=7,
    group=rollout_names.group_of([11, 12]),
    prompt=[Message("user", "6 * 7?")],
    completion="42",
    token_ids=[11, 12, 21, 22],
    loss_mask=[0, 0, 1, 1],
    logprobs=[0.0, 0.0, -0.5, -0.25],
    trainer_logprobs=[0.0, 0.0, -0.75, -0.125],
    logged_reward=1.0,
    advantage=0.5,
)


def conform(record: Any) -> Rollout:
    return nemo_rl_rollouts.conform(record, HERE)


def test_a_line_is_a_batch_of_one_without_its_padding() -> None:
    assert conform(RECORD) == ROLLOUT


def test_a_line_without_the_outer_lists_reads_the_same() -> None:
    plain = {name: value[0] if isinstance(value, list) else value for name, value in RECORD.items()}
    assert conform(plain) == ROLLOUT


def test_with_dynamic_sampling_the_reward_is_that_of_the_samples_kept() -> None:
    assert conform({**RECORD, "rewards": [0.25], "filtered_rewards": [1.0]}) == ROLLOUT


@pytest.mark.parametrize(
    ("advantages", "expected"),
    [
        ([[9.0, 9.0, 0.5, 0.5, 9.0, 9.0]], 0.5),
        ([[0.5, 0.5, 0.5, 0.25, 0.5, 0.5]], None),
        ([0.5], 0.5),
        ([None], None),
    ],
)
def test_an_advantage_is_that_which_all_learned_tokens_share(advantages: Any, expected: float | None) -> None:
    assert conform({**RECORD, "advantages": advantages}) == replace(ROLLOUT, advantage=expected)


@pytest.mark.parametrize("content", [[["a"]], [["a", "b", "c"]], [[]], ["ab"], [[1, 2]], [None], []])
def test_texts_of_turns_whose_role_is_not_sure_are_left_out(content: Any) -> None:
    assert conform({**RECORD, "content": content}) == replace(ROLLOUT, prompt=None, completion=None)


@pytest.mark.parametrize("name", ["generation_logprobs", "prev_logprobs", "rewards", "content"])
def test_columns_that_some_algorithms_leave_out_are_none(name: str) -> None:
    fields = {
        "generation_logprobs": ("logprobs",),
        "prev_logprobs": ("trainer_logprobs",),
        "rewards": ("logged_reward",),
        "content": ("prompt", "completion"),
    }
    record = {key: value for key, value in RECORD.items() if key != name}
    assert conform(record) == replace(ROLLOUT, **dict.fromkeys(fields[name]))


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (1, "wrong_type: the record is a JSON number, expected an object"),
        ({"idx": 0}, "missing_field: 'input_lengths' is missing; found ['idx']"),
        (
            {"content": [["a", "b"]], "input_lengths": [3], "idx": 0},
            "missing_field: 'token_ids' is missing; found ['content', 'idx', 'input_lengths']",
        ),
        (
            {"rewards": [1.0], "input_lengths": [], "token_ids": [], "idx": 9},
            "missing_field: 'input_lengths' is missing; found ['idx', 'rewards']",
        ),
        ({**RECORD, "rewards": [1.0, 2.0]}, "wrong_type: 'rewards' holds 2 values, expected a batch of one"),
        (
            {**RECORD, "input_lengths": [7]},
            "unequal_lengths: 'input_lengths' is 7, but there are 6 token ids",
        ),
        ({**RECORD, "token_ids": [5]}, "wrong_type: 'token_ids' is a JSON number, expected an array"),
        (
            {**RECORD, "token_loss_mask": [[0, 0, 2, 1, 0, 0]]},
            "wrong_type: 'token_loss_mask' has 2 at 2, expected 0 or 1",
        ),
        (
            {**RECORD, "token_loss_mask": [[0, [], 1, 1, 0, 0]]},
            "wrong_type: 'token_loss_mask' has [] at 1, expected 0 or 1",
        ),
    ],
)
def test_each_fault_is_named(record: Any, expected: str) -> None:
    with pytest.raises(Rejected) as caught:
        conform(record)
    assert str(caught.value) == expected


FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
TOKEN = st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 1), FLOAT32, FLOAT32)
ARRAYS = ("token_ids", "loss_mask", "logprobs", "trainer_logprobs")


@given(st.lists(st.tuples(st.lists(TOKEN, min_size=1), FLOAT32), min_size=1, max_size=4))
def test_a_batch_comes_back_to_the_bit_whatever_its_padding(batch: list[tuple[list[Any], float]]) -> None:
    width = max(len(tokens) for tokens, _ in batch)
    lines = []
    for index, (tokens, reward) in enumerate(batch):
        ids, marks, drawn, before = map(
            list, zip(*tokens, *[(0, 0, 0.0, 0.0)] * (width - len(tokens)), strict=True)
        )
        arrays = {"token_ids": [ids], "token_loss_mask": [marks]}
        floats = {"generation_logprobs": [drawn], "prev_logprobs": [before], "advantages": [[reward] * width]}
        lines.append({"rewards": [reward], "input_lengths": [len(tokens)], **arrays, **floats, "idx": index})
    bronze = [bronze_row(json.dumps(line), n, file=HERE.file) for n, line in enumerate(lines, start=1)]
    rows, rejects = conformed("nemo_rl_rollouts", bronze, unit="rl_rollouts")
    assert rejects == []
    for row, (tokens, reward) in zip(rows, batch, strict=True):
        expected = [(i, m, a if m else 0.0, b if m else 0.0) for i, m, a, b in tokens]
        found = zip(*(row[name] for name in ARRAYS), strict=True)
        assert bits(found) == bits(expected)
        assert row["logged_reward"] == reward


def bits(tokens: Any) -> list[Any]:
    return [(i, m, np.float32(a).tobytes(), np.float32(b).tobytes()) for i, m, a, b in tokens]


def test_a_file_that_is_written_again_has_the_keys_of_the_first_time() -> None:
    lines = [
        json.dumps({**RECORD, "idx": index, "rewards": [reward]}) for reward in (0, 1) for index in (3, 4)
    ]
    bronze = [bronze_row(line, number, file=HERE.file) for number, line in enumerate(lines, start=1)]
    rows, _ = conformed("nemo_rl_rollouts", bronze, unit="rl_rollouts")
    keys = [(row["run"], row["step"], row["sample"]) for row in rows]
    assert keys == [("grpo/exp_001", 7, 3), ("grpo/exp_001", 7, 4)] * 2
