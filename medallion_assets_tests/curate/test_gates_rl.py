"""Laws of the gates of RL prompts and rollouts: what they refuse, by reason, and what they let pass."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.curate.gates import GATES, first_reject
from medallion_assets.units import Message, RlPrompt, Rollout
from medallion_assets_tests.curate.test_gates import spoken

ARRAYS = ("loss_mask", "logprobs", "trainer_logprobs")
lengths = st.none() | st.integers(0, 3)


def reason_of_prompt(letters: str, **other: str | None) -> str | None:
    record = RlPrompt(spoken(letters), **other)  # type: ignore[arg-type]
    reject = first_reject(record, GATES["rl_prompts"])
    return reject.reason if reject else None


def reason_of_rollout(**other: object) -> str | None:
    record = Rollout(run="run", step=1, sample=0, policy_version=1, **other)  # type: ignore[arg-type]
    reject = first_reject(record, GATES["rl_rollouts"])
    return reject.reason if reject else None


@pytest.mark.parametrize("letters", ["u", "su", "uau", "uct", "suctau", "uctt"])
def test_a_prompt_that_waits_for_an_answer_passes(letters: str) -> None:
    assert reason_of_prompt(letters, verifier="math", ground_truth="5") is None


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("", "missing_user_turn"),
        ("s", "missing_user_turn"),
        ("a", "missing_user_turn"),
        ("ua", "wrong_role_order"),
        ("uc", "wrong_role_order"),
        ("uu", "wrong_role_order"),
        ("us", "wrong_role_order"),
        ("ut", "wrong_role_order"),
        ("au", "wrong_role_order"),
    ],
)
def test_a_prompt_out_of_turn_is_refused(letters: str, expected: str) -> None:
    assert reason_of_prompt(letters) == expected


def test_only_the_assistant_may_call_a_tool() -> None:
    calling = Message("user", "q", tool_calls='[{"function":{"name":"f"}}]')
    reject = first_reject(RlPrompt([calling, Message("tool", "r")]), GATES["rl_prompts"])
    assert str(reject) == "misplaced_tool_call: turn 1 (user) calls a tool"


def test_an_empty_question_is_refused() -> None:
    reject = first_reject(RlPrompt([Message("user", "")]), GATES["rl_prompts"])
    assert str(reject) == "empty_prompt: turn 1 (user) is empty"


@pytest.mark.parametrize(
    ("verifier", "truth", "expected"),
    [
        ("math", None, "missing_ground_truth"),
        ("math", "", "missing_ground_truth"),
        ("yours", None, "missing_ground_truth"),
        ("math", "0", None),
        (None, None, None),
        (None, "5", None),
    ],
)
def test_a_verifier_needs_something_to_compare_with(
    verifier: str | None, truth: str | None, expected: str | None
) -> None:
    assert reason_of_prompt("u", verifier=verifier, ground_truth=truth) == expected


def test_an_empty_answer_is_an_answer_and_no_answer_is_none() -> None:
    found = [reason_of_rollout(**given) for given in ({"completion": ""}, {"token_ids": []}, {})]
    assert found == [None, None, "nothing_sampled"]


@given(lengths, st.tuples(lengths, lengths, lengths))
@settings(max_examples=100)
def test_arrays_beside_tokens_have_their_length(ids: int | None, arrays: tuple[int | None, ...]) -> None:
    given = {
        name: None if length is None else [0] * length for name, length in zip(ARRAYS, arrays, strict=True)
    }
    found = reason_of_rollout(completion="a", token_ids=None if ids is None else [7] * ids, **given)
    fit = all(length is None or length == ids for length in arrays)
    assert found == (None if fit else "unequal_lengths")


@pytest.mark.parametrize(
    ("ids", "detail"),
    [([1, 2], "1 values of logprobs for 2 token ids"), (None, "1 values of logprobs for no token ids")],
)
def test_a_reject_names_the_array(ids: list[int] | None, detail: str) -> None:
    record = Rollout("run", 1, 0, 1, completion="a", token_ids=ids, logprobs=[-0.5])
    reject = first_reject(record, GATES["rl_rollouts"])
    assert reject is not None
    assert reject.detail == detail
