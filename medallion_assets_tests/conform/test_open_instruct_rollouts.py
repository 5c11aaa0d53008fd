"""Laws of the open_instruct_rollouts format; the lines are those of _save_rollouts (rl_utils.py)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.conform.delivery import Delivery, Options
from medallion_assets.conform.formats import open_instruct_rollouts
from medallion_assets.records import Rejected
from medallion_assets.units import Rollout
from medallion_assets_tests.conform.rows import bronze_row, conformed

HERE = Delivery("feed", "team/olmo__1__1712_rollouts_000001.jsonl", 9, Options())
NO_TOOLS = {"num_calls": 0, "timeouts": 0, "tool_errors": "", "tool_outputs": "", "tool_calleds": False}
RECORD = {
    "step": 7,
    "sample_idx": 5,
    "prompt_idx": 1,
    "prompt_tokens": [1, 2],
    "response_tokens": [3, 4, 0],
    "reward": 10.0,
    "advantage": -0.5,
    "finish_reason": "stop",
    "dataset": ["gsm8k"],
    "ground_truth": ["42"],
    "request_info": NO_TOOLS,
    "logprobs": [-0.5, 0.0, -0.25],
}
ROLLOUT = Rollout(
    run="olmo__1__1712",
    step=7,
    sample=5,
    policy_version=7,
    group="1",
    token_ids=[1, 2, 3, 4, 0],
    loss_mask=[0, 0, 1, 1, 1],
    logprobs=[0.0, 0.0, -0.5, 0.0, -0.25],
    logged_reward=10.0,
    advantage=-0.5,
    finish_reason="stop",
    ground_truth="42",
    verifier="gsm8k",
    data_source="gsm8k",
)
METADATA = {"run_name": "olmo", "git_commit": "abc", "model_name": "m", "timestamp": "2026-01-01T00:00:00Z"}


def conform(record: Any, **options: Any) -> Rollout:
    return open_instruct_rollouts.conform(record, replace(HERE, options=Options(**options)))


def test_prompt_and_response_are_one_sequence_and_the_response_is_learned() -> None:
    assert conform(RECORD) == ROLLOUT


@pytest.mark.parametrize("info", [{"num_calls": 2}, {"tool_calleds": True}])
def test_where_tools_wrote_some_of_the_response_no_mask_is_claimed(info: dict[str, Any]) -> None:
    assert conform({**RECORD, "request_info": {**NO_TOOLS, **info}}) == replace(ROLLOUT, loss_mask=None)


@pytest.mark.parametrize("gone", ["request_info", "logprobs", "ground_truth"])
@pytest.mark.parametrize("how", ["null", "absent"])
def test_what_may_be_missing_is_none(gone: str, how: str) -> None:
    record = {name: value for name, value in RECORD.items() if name != gone}
    expected = replace(ROLLOUT, **({gone: None} if gone != "request_info" else {}))
    assert conform({**record, gone: None} if how == "null" else record) == expected


def test_several_data_sets_and_truths_are_kept_as_json() -> None:
    found = conform({**RECORD, "dataset": ["math", "ifeval"], "ground_truth": ["42", ["a"]]}, verifier="x")
    assert (found.data_source, found.ground_truth, found.verifier) == (
        '["math","ifeval"]',
        '["42",["a"]]',
        "x",
    )


@pytest.mark.parametrize(
    ("file", "run"),
    [
        ("r_rollouts_000000.jsonl", "r"),
        ("a/dt=2024-09-01/r_rollouts_000012.jsonl.gz", "r"),
        ("r_rollouts_x_rollouts_1000000.jsonl", "r_rollouts_x"),
        ("a/rollouts.jsonl", "a"),
        ("rollouts.jsonl", "feed"),
    ],
)
def test_the_shards_name_has_the_run(file: str, run: str) -> None:
    assert open_instruct_rollouts.conform(RECORD, replace(HERE, file=file)) == replace(ROLLOUT, run=run)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (METADATA, "metadata_record: describes the run 'olmo'; it is no rollout"),
        ("x", "wrong_type: the record is a JSON string, expected an object"),
        ({"step": 1}, "missing_field: 'prompt_tokens' is missing; found ['step']"),
        (
            {**RECORD, "prompt_tokens": [1, 2.0]},
            "wrong_type: 'prompt_tokens' has 2.0 at 1, expected a token id, 0 to 2147483647",
        ),
        (
            {**RECORD, "prompt_tokens": [True]},
            "wrong_type: 'prompt_tokens' has True at 0, expected a token id, 0 to 2147483647",
        ),
        (
            {**RECORD, "response_tokens": [3, 2**31]},
            "wrong_type: 'response_tokens' has 2147483648 at 1, expected a token id, 0 to 2147483647",
        ),
        (
            {**RECORD, "response_tokens": [-1]},
            "wrong_type: 'response_tokens' has -1 at 0, expected a token id, 0 to 2147483647",
        ),
        (
            {**RECORD, "logprobs": [-1, "x"]},
            "wrong_type: 'logprobs' has 'x' at 1, expected a number of float32, or null",
        ),
        (
            {**RECORD, "logprobs": [1e39]},
            "wrong_type: 'logprobs' has 1e+39 at 0, expected a number of float32, or null",
        ),
        ({**RECORD, "logprobs": {}}, "wrong_type: 'logprobs' is a JSON object, expected an array"),
        ({**RECORD, "request_info": [1]}, "wrong_type: 'request_info' is a JSON array, expected an object"),
        ({**RECORD, "finish_reason": 1}, "wrong_type: 'finish_reason' is a JSON number, expected a string"),
        ({**RECORD, "reward": 10**400}, f"wrong_type: 'reward' is {10**400}, expected a finite number"),
    ],
)
def test_each_fault_is_named(record: Any, expected: str) -> None:
    with pytest.raises(Rejected) as caught:
        conform(record)
    assert str(caught.value) == expected


FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
TOKENS = st.integers(0, 2**31 - 1)


@given(st.lists(TOKENS), st.lists(st.tuples(TOKENS, FLOAT32)), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_logged_rollout_comes_back_to_the_bit(
    prompt: list[int], response: list[tuple[int, float]], step: int, sample: int
) -> None:
    ids, logprobs = [token for token, _ in response], [value for _, value in response]
    line = json.dumps(
        {
            **RECORD,
            "step": step,
            "sample_idx": sample,
            "prompt_tokens": prompt,
            "response_tokens": ids,
            "logprobs": logprobs,
        }
    )
    [row], _ = conformed("open_instruct_rollouts", [bronze_row(line, 4, file=HERE.file)], unit="rl_rollouts")
    assert (row["run"], row["step"], row["sample"]) == ("olmo__1__1712", step, sample)
    assert row["token_ids"] == prompt + ids
    assert row["loss_mask"] == [0] * len(prompt) + [1] * len(ids)
    expected = np.array([0.0] * len(prompt) + logprobs, np.float32)
    assert np.array(row["logprobs"], np.float32).tobytes() == expected.tobytes()


def test_a_step_appended_again_has_the_keys_of_the_first_time_wherever_it_stands() -> None:
    lines = [json.dumps({**RECORD, "sample_idx": sample}) for sample in (0, 1, 0, 1)]
    bronze = [bronze_row(line, number, file=HERE.file) for number, line in enumerate(lines, start=1)]
    rows, rejects = conformed("open_instruct_rollouts", bronze, unit="rl_rollouts")
    keys = [row["rollout_key"] for row in rows]
    assert (len(set(keys)), keys[:2], rejects) == (2, keys[2:], [])


def test_arrays_of_other_lengths_are_left_to_their_gate() -> None:
    line = json.dumps({**RECORD, "logprobs": [-0.5]})
    [reject] = conformed("open_instruct_rollouts", [bronze_row(line)], unit="rl_rollouts")[1]
    assert (reject["reason"], reject["detail"]) == ("unequal_lengths", "3 values of logprobs for 5 token ids")
