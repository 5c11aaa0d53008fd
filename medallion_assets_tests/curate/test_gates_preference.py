"""Laws of the gates of preference triples: what they refuse, by reason, and that the rest is sound."""

from __future__ import annotations

from copy import deepcopy
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.curate.gates import GATES, first_reject
from medallion_assets.units import Message, Preference
from medallion_assets_tests.curate.test_gates import CALL, TURNS, WELL_FORMED, spoken

PROMPTS = st.sampled_from(["u", "su", "uau", "uct", "suctau"]).map(spoken)
ANSWERS = st.sampled_from(["a", "c", "cta", "auca", "ctct"]).map(spoken)
Side = list[Message] | None
ANY_SIDE = st.none() | ANSWERS | st.lists(TURNS, max_size=3)


def triple(prompt: str = "u", chosen: str | None = "a", rejected: str | None = "c") -> Preference:
    sides = [None if letters is None else spoken(letters) for letters in (chosen, rejected)]
    return Preference(spoken(prompt), *sides)


def reason(record: Preference) -> str | None:
    reject = first_reject(record, GATES["preference_triples"])
    return reject.reason if reject else None


@pytest.mark.parametrize("prompt", ["u", "su", "uau", "uct", "suctau"])
def test_a_pair_that_continues_its_prompt_passes(prompt: str) -> None:
    assert reason(triple(prompt)) is None


def test_no_answer_at_all_is_refused() -> None:
    assert reason(triple(chosen=None, rejected=None)) == "no_answer"


@pytest.mark.parametrize(("chosen", "rejected"), [("a", None), (None, "a")])
def test_one_answer_with_a_label_passes(chosen: str | None, rejected: str | None) -> None:
    assert reason(triple(chosen=chosen, rejected=rejected)) is None


@pytest.mark.parametrize(
    ("prompt", "answer", "expected"),
    [
        ("", "a", "missing_user_turn"),
        ("s", "a", "missing_user_turn"),
        ("u", "", "missing_assistant_turn"),
        ("u", "u", "missing_assistant_turn"),
        ("ua", "a", "wrong_role_order"),
        ("u", "au", "wrong_role_order"),
        ("uc", "a", "wrong_role_order"),
        ("au", "a", "wrong_role_order"),
        ("u", "ct", "wrong_role_order"),
    ],
)
def test_either_side_out_of_turn_is_refused(prompt: str, answer: str, expected: str) -> None:
    found = [triple(prompt, answer, "cta"), triple(prompt, "cta", answer), triple(prompt, answer, None)]
    assert [reason(record) for record in found] == [expected] * 3


def test_turns_that_say_nothing_are_refused_on_either_side() -> None:
    for record, place, expected in (
        (triple(), "prompt", "empty_prompt"),
        (triple(), "chosen", "empty_output"),
        (triple(rejected="a"), "rejected", "empty_output"),
    ):
        getattr(record, place)[0].content = ""
        assert reason(record) == expected


def test_a_call_by_anyone_but_the_assistant_is_refused() -> None:
    record = triple()
    record.prompt[0].tool_calls = CALL
    assert reason(record) == "misplaced_tool_call"


@given(PROMPTS, ANSWERS)
def test_equal_answers_teach_nothing(prompt: list[Message], answer: list[Message]) -> None:
    refused = reason(Preference(prompt, answer, deepcopy(answer)))
    assert refused in ("identical_answers", "wrong_role_order")
    assert (refused == "identical_answers") == (reason(Preference(prompt, answer, None)) is None)


@pytest.mark.parametrize(
    ("field", "value"), [("content", "ho"), ("tool_calls", CALL), ("reasoning_content", "hm")]
)
def test_answers_that_differ_anywhere_are_two(field: str, value: str) -> None:
    record = triple("u", "a", "a")
    assert record.rejected is not None
    setattr(record.rejected[0], field, value)
    assert reason(record) is None


@given(PROMPTS | st.lists(TURNS, max_size=3), st.tuples(ANY_SIDE, ANY_SIDE))
@settings(max_examples=300)
def test_exactly_the_well_formed_triples_pass(prompt: list[Message], answers: tuple[Side, Side]) -> None:
    chosen, rejected = answers
    sides = [side for side in (chosen, rejected) if side is not None]
    said = [message for side in (prompt, *sides) for message in side]
    sound = (
        sides != []
        and any(m.role == "user" for m in prompt)
        and all(any(m.role == "assistant" for m in side) for side in sides)
        and all(WELL_FORMED.fullmatch(letters(prompt + side)) for side in sides)
        and all(m.content or m.tool_calls for m in prompt if m.role == "user")
        and all(m.content or m.tool_calls for side in sides for m in side if m.role == "assistant")
        and all(m.role == "assistant" for m in said if m.tool_calls)
        and not (chosen is not None and chosen == rejected)
    )
    assert (reason(Preference(prompt, chosen, rejected)) is None) == sound


def letters(messages: list[Message]) -> str:
    return "".join("c" if m.tool_calls and m.role == "assistant" else m.role[0] for m in messages)


def test_the_order_of_the_sides_does_not_change_whether_a_triple_passes() -> None:
    for chosen, rejected in product(["a", "c", "", "u", None], repeat=2):
        there, back = triple("u", chosen, rejected), triple("u", rejected, chosen)
        assert (reason(there) is None) == (reason(back) is None)
