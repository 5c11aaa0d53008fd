"""Laws of the verl_rollouts format; the lines are those of RayPPOTrainer._dump_generations."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.conform import rollout_names
from medallion_assets.conform.delivery import Delivery, Options
from medallion_assets.conform.formats import verl_rollouts
from medallion_assets.records import Rejected
from medallion_assets.units import Message, Rollout
from medallion_assets_tests.conform.rows import bronze_row, conformed

HERE = Delivery("feed", "math/rollout/7.jsonl", 4, Options())
RECORD = {"input": "user\n6 * 7?\nassistant\n", "output": "#### 42", "gts": "42", "score": 1.0, "step": 7}
ROLLOUT = Rollout(
    run="math/rollout",
    step=7,
    sample=3,
    policy_version=7,
    group=rollout_names.group_of("user\n6 * 7?\nassistant\n"),
    prompt=[Message("user", "6 * 7?")],
    completion="#### 42",
    logged_reward=1.0,
    ground_truth="42",
)


def conform(record: Any, **options: Any) -> Rollout:
    return verl_rollouts.conform(record, replace(HERE, options=Options(**options)))


def test_a_line_is_a_rollout() -> None:
    assert conform(RECORD) == ROLLOUT


def test_what_the_reward_function_adds_is_kept_where_it_is_a_number() -> None:
    found = conform({**RECORD, "acc": True, "format": 0.5, "pred": "42", "request_id": "q1"})
    parts = '{"acc":true,"format":0.5}'
    assert found == replace(ROLLOUT, reward_parts=parts, source_id="q1")


@pytest.mark.parametrize(
    ("uid", "group"), [("5f-1", "5f-1"), ("5f-1_3_0", "5f-1"), ("a_b_12_0", "a_b"), ("a_1", "a_1")]
)
def test_samples_of_one_prompt_share_its_uid(uid: str, group: str) -> None:
    assert conform({**RECORD, "uid": uid}) == replace(ROLLOUT, group=group, source_id=uid)


def test_a_ground_truth_that_is_no_text_is_kept_as_json() -> None:
    found = [conform({**RECORD, "gts": truth}).ground_truth for truth in (["1", "2"], {"a": 1}, None)]
    assert found == ['["1","2"]', '{"a":1}', None]


def test_the_verifier_follows_the_data_source_or_the_configuration() -> None:
    sourced = {**RECORD, "data_source": "openai/gsm8k"}
    found = [conform(sourced).verifier, conform(RECORD, verifier="math").verifier, conform(RECORD).verifier]
    assert found == ["gsm8k", "math", None]


def test_without_a_step_in_the_record_the_file_has_it() -> None:
    assert conform({name: value for name, value in RECORD.items() if name != "step"}) == ROLLOUT


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (None, "wrong_type: the record is a JSON null, expected an object"),
        ({"output": "a"}, "missing_field: 'input' is missing; found ['output']"),
        ({"input": "a"}, "missing_field: 'output' is missing; found ['input']"),
        ({**RECORD, "input": [1]}, "wrong_type: 'input' is a JSON array, expected a string"),
        ({**RECORD, "score": [1.0]}, "wrong_type: 'score' is [1.0], expected a finite number"),
        ({**RECORD, "score": "nan"}, "wrong_type: 'score' is 'nan', expected a finite number"),
        (
            {**RECORD, "step": -1},
            "wrong_type: 'step' is -1, expected a whole number from 0 to 9223372036854775807",
        ),
    ],
)
def test_each_fault_is_named(record: Any, expected: str) -> None:
    with pytest.raises(Rejected) as caught:
        conform(record)
    assert str(caught.value) == expected


@given(
    st.integers(0, 2**40), st.text(), st.text(), st.text(), st.floats(allow_nan=False, allow_infinity=False)
)
def test_a_logged_rollout_comes_back(step: int, prompt: str, output: str, truth: str, score: float) -> None:
    line = json.dumps({"input": prompt, "output": output, "gts": truth, "score": score, "step": step})
    assert conform(json.loads(line)) == replace(
        ROLLOUT,
        step=step,
        policy_version=step,
        group=rollout_names.group_of(prompt),
        prompt=[Message("user", prompt)],
        completion=output,
        ground_truth=truth,
        logged_reward=score,
    )


def test_a_file_that_is_written_again_has_the_keys_of_the_first_time() -> None:
    first, again = (
        conformed(
            "verl_rollouts",
            [
                bronze_row(json.dumps({**RECORD, "output": f"{text} #### 42"}), number, file=HERE.file)
                for number, text in enumerate(texts, start=1)
            ],
            unit="rl_rollouts",
            options=Options(verifier="gsm8k"),
        )[0]
        for texts in ("ab", "cd")
    )
    keys = [[(row["run"], row["step"], row["sample"]) for row in rows] for rows in (first, again)]
    assert keys == [[("math/rollout", 7, 0), ("math/rollout", 7, 1)]] * 2
    assert [row["reward_origin"] for row in first + again] == ["verifier:gsm8k"] * 4
