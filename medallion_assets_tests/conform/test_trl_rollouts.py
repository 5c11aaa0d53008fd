"""Laws of the trl_rollouts format; the rows are those of GRPOTrainer.log (trl/trainer/grpo_trainer.py)."""

from __future__ import annotations

import json
import math
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.conform import rollout_names
from medallion_assets.conform.delivery import Delivery, Options
from medallion_assets.conform.formats import trl_rollouts
from medallion_assets.records import Rejected
from medallion_assets.units import Message, Rollout
from medallion_assets_tests.conform.rows import bronze_row, conformed, conformed_file

HERE = Delivery("feed", "math/completions/completions_00005.parquet", 3, Options())
RECORD = {
    "step": 5,
    "prompt": "user\n6 * 7?\nassistant\n",
    "completion": "42",
    "accuracy_reward": 1.0,
    "format_reward": 0.5,
    "golden_answer": "42",
    "turns": 2,
    "advantage": -0.25,
}
ROLLOUT = Rollout(
    run="math",
    step=5,
    sample=2,
    policy_version=5,
    group=rollout_names.group_of("user\n6 * 7?\nassistant\n"),
    prompt=[Message("user", "6 * 7?")],
    completion="42",
    logged_reward=1.5,
    reward_parts='{"accuracy_reward":1.0,"format_reward":0.5}',
    advantage=-0.25,
)
FLOAT32 = st.floats(
    width=32, allow_nan=False, allow_infinity=False, max_value=2.0**100, min_value=-(2.0**100)
)


def conform(record: Any, **options: Any) -> Rollout:
    return trl_rollouts.conform(record, replace(HERE, options=Options(**options)))


def test_the_reward_is_the_sum_of_the_functions_and_no_extra_column() -> None:
    assert conform(RECORD) == ROLLOUT


def test_a_function_that_had_no_reward_to_give_is_left_out() -> None:
    found = conform({**RECORD, "format_reward": None})
    assert (found.logged_reward, found.reward_parts) == (1.0, '{"accuracy_reward":1.0}')


def test_a_sample_that_no_function_could_score_has_no_reward() -> None:
    found = conform({**RECORD, "accuracy_reward": None, "format_reward": None})
    assert (found.logged_reward, found.reward_parts) == (None, None)


def test_the_configuration_may_say_which_columns_are_rewards_and_the_truth() -> None:
    found = conform(
        RECORD, fields={"rewards": ("turns",), "ground_truth": ("golden_answer",)}, verifier="gsm8k"
    )
    rewarded = (found.logged_reward, found.reward_parts, found.ground_truth, found.verifier)
    assert rewarded == (2.0, '{"turns":2.0}', "42", "gsm8k")


def test_a_field_that_is_not_read_is_a_problem() -> None:
    options = Options(fields={"rewards": ("a", "b"), "prompt": ("p",)})
    expected = "`fields` has 'prompt', which this format does not read; allowed: rewards, ground_truth"
    assert list(trl_rollouts.problems("rl_rollouts", options)) == [expected]


@pytest.mark.parametrize("gone", [("step",), ("advantage",), ("golden_answer", "turns")])
def test_older_logs_lack_columns(gone: tuple[str, ...]) -> None:
    record = {name: value for name, value in RECORD.items() if name not in gone}
    assert conform(record) == replace(ROLLOUT, advantage=None if "advantage" in gone else -0.25)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ([], "wrong_type: the record is a JSON array, expected an object"),
        ({"step": 1}, "missing_field: 'prompt' is missing; found ['step']"),
        ({"prompt": "a"}, "missing_field: 'completion' is missing; found ['prompt']"),
        ({**RECORD, "completion": []}, "wrong_type: 'completion' is a JSON array, expected a string"),
        ({**RECORD, "advantage": "high"}, "wrong_type: 'advantage' is 'high', expected a finite number"),
        (
            {**RECORD, "accuracy_reward": 1e308, "format_reward": 1e308},
            "wrong_type: the rewards' sum is inf, expected a finite number",
        ),
    ],
)
def test_each_fault_is_named(record: Any, expected: str) -> None:
    with pytest.raises(Rejected) as caught:
        conform(record)
    assert str(caught.value) == expected


def test_a_named_reward_must_be_there() -> None:
    with pytest.raises(Rejected) as caught:
        conform({"prompt": "", "completion": ""}, fields={"rewards": ("accuracy",)})
    assert str(caught.value) == "missing_field: 'accuracy' is missing; found ['completion', 'prompt']"


@given(
    st.integers(0, 99_999),
    st.text(),
    st.text(),
    st.dictionaries(st.from_regex(r"\A[a-z]{1,9}_reward\Z"), FLOAT32, min_size=1, max_size=4),
    FLOAT32,
)
def test_a_logged_rollout_comes_back(
    step: int, prompt: str, completion: str, rewards: dict[str, float], advantage: float
) -> None:
    row = {"step": step, "prompt": prompt, "completion": completion, **rewards, "advantage": advantage}
    found = conform(json.loads(json.dumps(row)))
    back = (found.step, found.prompt, found.completion, json.loads(found.reward_parts or ""), found.advantage)
    assert back == (step, [Message("user", prompt)], completion, rewards, advantage)
    assert found.logged_reward == sum(rewards.values())


def test_a_step_that_is_run_again_has_the_keys_of_the_first_time() -> None:
    raws = [json.dumps({**RECORD, "completion": text}) for text in "abcd"]
    first, again = (
        conformed(
            "trl_rollouts",
            [bronze_row(raw, number, file=HERE.file) for number, raw in enumerate(writing, start=1)],
            unit="rl_rollouts",
        )[0]
        for writing in (raws[:2], raws[2:])
    )
    keys = [[(row["run"], row["step"], row["sample"]) for row in rows] for rows in (first, again)]
    assert keys == [[("math", 5, 0), ("math", 5, 1)]] * 2


def test_a_file_as_the_trainer_writes_it_is_conformed_whole(tmp_path: Path) -> None:
    path = tmp_path / "completions_00005.parquet"
    rewards = deque([0.1, math.nan, 1.0])
    table = {"step": [5] * 3, "prompt": deque("ppp"), "completion": deque("abc"), "r": rewards}
    pd.DataFrame(table).to_parquet(path)
    rows, rejects = conformed_file("trl_rollouts", path, unit="rl_rollouts")
    found = [(row["run"], row["step"], row["sample"], row["completion"], row["reward"]) for row in rows]
    assert found == [("feed", 5, 0, "a", 0.1), ("feed", 5, 1, "b", None), ("feed", 5, 2, "c", 1.0)]
    assert rejects == []
