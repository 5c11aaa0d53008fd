"""Laws of the prime_rl_rollouts format; the lines are those of TokenExporter.export (prime_rl/trainer/rl)."""

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
from medallion_assets.conform.format import load_format
from medallion_assets.conform.formats import prime_rl_rollouts
from medallion_assets.records import Rejected
from medallion_assets.units import Rollout
from medallion_assets_tests.conform.rows import bronze_row, conformed

HERE = Delivery("feed", "math/token_exports/step_7/rank_2.jsonl", 9, Options())
RECORD = {
    "schema_version": 1,
    "step": 7,
    "rank": 2,
    "micro_step": 0,
    "micro_sequence_idx": 1,
    "export_sequence_idx": 5,
    "env_name": "gsm8k",
    "token_ids": [11, 12, 21, 22],
    "position_ids": [0, 1, 2, 3],
    "loss_mask": [False, False, True, True],
    "advantages": [0.5] * 4,
    "inference_logprobs": [0.0, 0.0, -0.5, None],
    "trainer_logprobs": [-11.0, -3.0, -0.75, -0.125],
    "is_masked": [None] * 4,
}
ROLLOUT = Rollout(
    run="math",
    step=7,
    sample=2 * 2**32 + 5,
    policy_version=7,
    group=rollout_names.group_of([11, 12]),
    token_ids=[11, 12, 21, 22],
    loss_mask=[0, 0, 1, 1],
    logprobs=[0.0, 0.0, -0.5, None],
    trainer_logprobs=[0.0, 0.0, -0.75, -0.125],
    advantage=0.5,
    data_source="gsm8k",
)


def conform(record: Any, file: str = HERE.file) -> Rollout:
    return prime_rl_rollouts.conform(record, replace(HERE, file=file))


def test_a_line_is_a_sequence_with_log_probabilities_of_what_the_policy_wrote() -> None:
    assert conform(RECORD) == ROLLOUT


def test_a_folder_is_complete_once_its_marker_is_there() -> None:
    assert load_format("prime_rl_rollouts").marker == "STABLE"


@pytest.mark.parametrize(
    ("file", "run"),
    [
        ("math/token_exports/step_7/rank_2.jsonl", "math"),
        ("2024-09-01/math/token_exports/step_7/rank_2.jsonl", "math"),
        ("math/step_7/rank_2.jsonl", "math"),
        ("token_exports/step_7/rank_2.jsonl", "feed"),
        ("step_7/rank_2.jsonl", "feed"),
    ],
)
def test_the_run_is_the_folder_above_the_exports(file: str, run: str) -> None:
    assert conform(RECORD, file) == replace(ROLLOUT, run=run)


def test_without_a_step_in_the_record_its_folder_has_it() -> None:
    assert conform({name: value for name, value in RECORD.items() if name != "step"}) == ROLLOUT


def test_without_an_index_the_line_counts() -> None:
    found = conform({name: value for name, value in RECORD.items() if name != "export_sequence_idx"})
    assert found == replace(ROLLOUT, sample=2 * 2**32 + 8)


@pytest.mark.parametrize(("advantages", "expected"), [([9, 9, 0.5, 0.5], 0.5), ([0, 0, 0.5, 1], None)])
def test_an_advantage_is_that_which_all_learned_tokens_share(
    advantages: list[float], expected: float | None
) -> None:
    assert conform({**RECORD, "advantages": advantages}) == replace(ROLLOUT, advantage=expected)


INDEX = st.integers(0, 2**32 - 1)
RANK = st.integers(0, 2**31 - 1)


@given(RANK, INDEX, RANK, INDEX)
def test_no_two_sequences_of_a_step_share_a_sample(rank: int, index: int, rank2: int, index2: int) -> None:
    first, second = (
        conform({**RECORD, "rank": r, "export_sequence_idx": i}).sample
        for r, i in ((rank, index), (rank2, index2))
    )
    assert (first == second) == ((rank, index) == (rank2, index2))
    assert 0 <= first < 2**63


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (False, "wrong_type: the record is a JSON boolean, expected an object"),
        ({"step": 1}, "missing_field: 'schema_version' is missing; found ['step']"),
        ({**RECORD, "schema_version": 2}, "unsupported_version: 'schema_version' is 2; 1 is read"),
        (
            {"schema_version": 1, "token_ids": []},
            "missing_field: 'loss_mask' is missing; found ['schema_version', 'token_ids']",
        ),
        (
            {"schema_version": 1, "token_ids": [], "loss_mask": [], "step": 1},
            "missing_field: 'rank' is missing; found ['loss_mask', 'schema_version', 'step', 'token_ids']",
        ),
        (
            {**RECORD, "rank": 2**31},
            "wrong_type: rank 2147483648, sequence 5: expected up to 2147483647, 4294967295",
        ),
        (
            {**RECORD, "trainer_logprobs": [True]},
            "wrong_type: 'trainer_logprobs' has True at 0, expected a number of float32, or null",
        ),
        ({**RECORD, "env_name": ["a"]}, "wrong_type: 'env_name' is a JSON array, expected a string"),
    ],
)
def test_each_fault_is_named(record: Any, expected: str) -> None:
    with pytest.raises(Rejected) as caught:
        conform(record)
    assert str(caught.value) == expected


FLOAT32 = st.none() | st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(st.integers(0, 2**31 - 1), st.booleans(), FLOAT32, FLOAT32)))
def test_a_logged_sequence_comes_back_to_the_bit(tokens: list[Any]) -> None:
    ids, marks, drawn, before = ([token[n] for token in tokens] for n in range(4))
    arrays = {"token_ids": ids, "loss_mask": marks, "inference_logprobs": drawn, "trainer_logprobs": before}
    line = json.dumps({**RECORD, **arrays, "advantages": [0.5] * len(ids)}, separators=(",", ":"))
    [row], _ = conformed("prime_rl_rollouts", [bronze_row(line, file=HERE.file)], unit="rl_rollouts")
    assert (row["token_ids"], row["loss_mask"]) == (ids, [int(mark) for mark in marks])
    for found, logged in ((row["logprobs"], drawn), (row["trainer_logprobs"], before)):
        assert bits(found) == bits(
            [value if mark else 0.0 for value, mark in zip(logged, marks, strict=True)]
        )
    assert row["advantage"] == (0.5 if any(marks) else None)


def bits(values: list[float | None]) -> list[bytes | None]:
    return [None if value is None else np.float32(value).tobytes() for value in values]


def test_a_rank_that_writes_its_step_again_has_the_keys_of_the_first_time() -> None:
    lines = [
        json.dumps({**RECORD, "export_sequence_idx": index, "env_name": env})
        for env in "ab"
        for index in (0, 1)
    ]
    bronze = [bronze_row(line, number, file=HERE.file) for number, line in enumerate(lines, start=1)]
    rows, rejects = conformed("prime_rl_rollouts", bronze, unit="rl_rollouts")
    keys = [row["rollout_key"] for row in rows]
    assert (len(set(keys)), keys[:2], rejects) == (2, keys[2:], [])
