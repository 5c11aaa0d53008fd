"""Laws of the names that all formats of rollout logs give."""

from __future__ import annotations

from typing import Any

import pytest

from medallion_assets.conform import fields, rollout_names
from medallion_assets.conform.delivery import Delivery, Options
from medallion_assets.records import Rejected


def at(file: str, **options: Any) -> Delivery:
    return Delivery(source="feed", file=file, record_number=3, options=Options(**options))


@pytest.mark.parametrize(
    ("file", "run"),
    [
        ("7.jsonl", "feed"),
        ("completions/7.jsonl", "feed"),
        ("2024-09-01/7.jsonl", "feed"),
        ("dt=2024-09-01/completions/7.jsonl", "feed"),
        ("math/7.jsonl", "math"),
        ("dt=2024-09-01/math/completions/7.jsonl", "math"),
        ("math/2024-09-01/completions/7.jsonl", "math"),
        ("team/math/completions/7.jsonl", "team/math"),
        ("my_completions/7.jsonl", "my_completions"),
        ("completions/math/7.jsonl", "completions/math"),
    ],
)
def test_the_run_is_what_the_path_says_beside_dates_and_the_trainers_own_folder(file: str, run: str) -> None:
    assert rollout_names.run_of({}, at(file), own_folder="completions") == run


@pytest.mark.parametrize("row", [{"run_id": "r1"}, {"run_name": "r1"}, {"run_id": "r1", "run_name": "r2"}])
def test_the_records_own_run_goes_before_the_path(row: dict[str, Any]) -> None:
    assert rollout_names.run_of(row, at("math/7.jsonl")) == "r1"


def test_runs_whose_folders_end_alike_stay_apart() -> None:
    runs = {rollout_names.run_of({}, at(f"{run}/rollouts/7.jsonl")) for run in "ab"}
    assert runs == {"a/rollouts", "b/rollouts"}


@pytest.mark.parametrize("step", [7, 7.0, "7", "007"])
def test_the_records_step_goes_before_the_files(step: Any) -> None:
    assert rollout_names.step_of({"step": step}, at("step_9.jsonl"), in_path=r"step_(\d+)") == 7


@pytest.mark.parametrize("row", [{}, {"step": None}])
def test_without_a_step_the_files_name_has_it(row: dict[str, Any]) -> None:
    assert rollout_names.step_of(row, at("step_00009.jsonl"), in_path=r"step_(\d+)") == 9


def test_a_step_that_nobody_says_is_missing() -> None:
    with pytest.raises(Rejected) as caught:
        rollout_names.step_of({"a": 1}, at("x.jsonl"), in_path=r"step_(\d+)")
    assert str(caught.value) == "missing_field: 'step' is missing, and 'x.jsonl' has none; found ['a']"


@pytest.mark.parametrize(
    "value", [-1, 2**63, 1.5, True, "x", "1.5", "", "٣", [], {}, None, 1e300, "9" * 5000]
)
def test_what_no_column_of_indices_holds_is_refused(value: Any) -> None:
    with pytest.raises(Rejected) as caught:
        fields.whole(value, "'step'")
    assert caught.value.reason == "wrong_type"
    assert caught.value.detail.startswith("'step' is ")


@pytest.mark.parametrize(
    ("row", "version"),
    [
        ({}, 7),
        ({"policy_version": None}, 7),
        ({"policy_version": 0}, 0),
        ({"model_step": 5}, 5),
        ({"weight_step": 6}, 6),
    ],
)
def test_the_policys_version_is_the_step_where_none_is_logged(row: dict[str, Any], version: int) -> None:
    assert rollout_names.policy_version(row, 7) == version


@pytest.mark.parametrize(
    ("data_source", "verifier"),
    [("openai/gsm8k", "gsm8k"), ("GSM8K", "gsm8k"), ("gsm8k_hard", "exact"), ("", "exact"), (None, "exact")],
)
def test_the_data_source_names_the_verifier_else_the_configuration(
    data_source: str | None, verifier: str
) -> None:
    assert rollout_names.verifier_of(data_source, at("7.jsonl", verifier="exact")) == verifier
