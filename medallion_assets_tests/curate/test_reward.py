"""Laws of rewards: verified where that is possible, logged else, and always marked which."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.curate.reward import verify_reward
from medallion_assets.records import Rejected
from medallion_assets.units import Rollout

logged = st.none() | st.floats(allow_nan=False, allow_infinity=False)


def drawn(**other: object) -> Rollout:
    return Rollout(**{"run": "run", "step": 1, "sample": 0, "policy_version": 1, **other})  # type: ignore[arg-type]


def rewarded(**other: object) -> tuple[float | None, str | None]:
    rollout = drawn(**other)
    verify_reward(rollout)
    return rollout.reward, rollout.reward_origin


@given(logged, st.integers(-999, 999), st.integers(-999, 999))
def test_a_named_verifier_overrules_the_log(log: float | None, answer: int, truth: int) -> None:
    found = rewarded(
        verifier="gsm8k", completion=f"#### {answer}", ground_truth=f"{truth}", logged_reward=log
    )
    assert found == (float(answer == truth), "verifier:gsm8k")


@given(logged, st.sampled_from([None, "a_name_of_yours", "GSM8K"]))
def test_without_a_verifier_of_ours_the_log_counts(log: float | None, name: str | None) -> None:
    found = rewarded(verifier=name, completion="#### 5", ground_truth="5", logged_reward=log)
    assert found == (log, "logged")


@pytest.mark.parametrize("lacking", ["completion", "ground_truth"])
@given(log=logged)
def test_where_there_is_nothing_to_compare_the_log_counts(lacking: str, log: float | None) -> None:
    texts = {"completion": "#### 5", "ground_truth": "5"} | {lacking: None}
    assert rewarded(verifier="gsm8k", logged_reward=log, **texts) == (log, "logged")


def test_an_empty_answer_is_verified_as_a_wrong_one() -> None:
    found = rewarded(verifier="gsm8k", completion="", ground_truth="5", logged_reward=1.0)
    assert found == (0.0, "verifier:gsm8k")


def test_what_can_not_be_verified_keeps_its_logged_reward() -> None:
    found = rewarded(verifier="gsm8k", completion="#### 5", ground_truth="blue", logged_reward=0.0)
    assert found == (0.0, "logged")


def test_what_can_neither_be_verified_nor_was_logged_is_rejected() -> None:
    with pytest.raises(Rejected) as caught:
        verify_reward(drawn(verifier="gsm8k", completion="#### 5", ground_truth="blue"))
    assert str(caught.value) == "unverifiable: the ground truth is not a number: 'blue'"


@given(logged)
def test_the_logged_reward_itself_stays_as_it_was(log: float | None) -> None:
    rollout = drawn(verifier="gsm8k", completion="#### 5", ground_truth="5", logged_reward=log)
    verify_reward(rollout)
    assert rollout.logged_reward == log
