"""Laws of turns in any spelling, and of the prompt that two conversations share."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from medallion_assets.conform.turns import apart, asked, said, shared_prompt
from medallion_assets.records import Rejected
from medallion_assets.units import Message

U, A, S, T = (lambda text, role=role: Message(role, text) for role in ("user", "assistant", "system", "tool"))
TURNS = st.lists(st.sampled_from([U("a"), U("b"), A("a"), A("b"), T("a")]), max_size=5)


def reason(call: Any, *arguments: Any) -> str:
    with pytest.raises(Rejected) as caught:
        call(*arguments)
    return str(caught.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("hi", [A("hi")]),
        ({"role": "user", "content": "hi"}, [U("hi")]),
        ({"from": "gpt", "value": "hi"}, [A("hi")]),
        ([{"from": "human", "value": "q"}, {"role": "assistant", "content": "a"}], [U("q"), A("a")]),
        ([], []),
    ],
)
def test_texts_turns_and_lists_of_turns_are_messages(value: Any, expected: list[Message]) -> None:
    assert said(value, "it", by="assistant") == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "wrong_type: it is a JSON null, expected a string, a turn or an array of turns"),
        (3, "wrong_type: it is a JSON number, expected a string, a turn or an array of turns"),
        (["a"], "wrong_type: a turn of it is a JSON string, expected an object"),
    ],
)
def test_anything_else_is_of_the_wrong_type(value: Any, expected: str) -> None:
    assert reason(lambda: said(value, "it", by="user")) == expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"prompt": "q"}, [U("q")]),
        ({"prompt": "q", "input": "not Alpaca's", "instruction": "r"}, [U("q")]),
        ({"instruction": "q", "input": "i"}, [U("q\n\ni")]),
        (
            {"instruction": "q", "history": [["a", "b"]], "system": "s"},
            [S("s"), U("a"), A("b"), U("q")],
        ),
        ({"prompt": None, "conversations": [{"from": "human", "value": "q"}]}, [U("q")]),
    ],
)
def test_a_prompt_is_read_in_each_spelling(row: dict[str, Any], expected: list[Message]) -> None:
    assert asked(row) == expected


def test_a_record_without_a_prompt_is_told_where_one_may_be() -> None:
    names = "'prompt' or 'instruction' or 'conversations' or 'messages'"
    assert reason(asked, {"chosen": 1}) == f"missing_field: {names} is missing; found ['chosen']"


@given(TURNS, TURNS, TURNS)
def test_nothing_is_lost_between_the_prompt_and_the_sides(
    start: list[Message], one: list[Message], other: list[Message]
) -> None:
    first, second = start + one, start + other
    try:
        prompt, left, right = shared_prompt(first, second)
    except Rejected:
        assume(False)
    assert (prompt + left, prompt + right) == (first, second)
    assert prompt[-1].role in ("user", "tool")
    assert left[0] != right[0] or min(len(left), len(right)) == 1


def test_equal_conversations_differ_in_nothing_but_keep_an_answer() -> None:
    whole = [U("q"), A("a"), U("r"), A("b")]
    assert shared_prompt(whole, whole) == (whole[:3], whole[3:], whole[3:])


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ([U("q"), A("a")], [U("r"), A("a")], "0 shared turns of 2 and 2 end with nothing"),
        (
            [U("q"), A("a"), U("r"), A("b")],
            [U("q"), A("a"), U("s"), A("b")],
            "2 shared turns of 4 and 4 end ",
        ),
        ([U("q")], [U("q")], "0 shared turns of 1 and 1 end with nothing"),
        ([], [U("q")], "0 shared turns of 0 and 1 end with nothing"),
    ],
)
def test_a_prompt_that_waits_for_no_answer_is_none(
    first: list[Message], second: list[Message], found: str
) -> None:
    assert reason(shared_prompt, first, second).startswith(f"no_shared_prompt: {found}")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"prompt": "q"}, [U("q")]),
        ({"prompt": [{"role": "user", "content": "q"}]}, [U("q")]),
        ({"system": "s", "prompt": "q"}, [S("s"), U("q")]),
        ({}, [U("q")]),
    ],
)
def test_answers_that_repeat_the_prompt_are_cut_after_it(
    row: dict[str, Any], expected: list[Message]
) -> None:
    assert apart(row, [U("q"), A("a")], [U("q"), A("b")]) == (expected, [A("a")], [A("b")])


def test_a_system_turn_that_the_answers_repeat_is_not_doubled() -> None:
    first, second = [S("s"), U("q"), A("a")], [S("s"), U("q"), A("b")]
    assert apart({"system_prompt": "s"}, first, second) == (first[:2], [A("a")], [A("b")])


def test_turns_of_a_prompt_that_the_answers_contradict_are_refused() -> None:
    row = {"prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}]}
    expected = "no_shared_prompt: the answers do not begin with the turns of 'prompt'"
    assert reason(apart, row, [U("q"), A("a")], [U("q"), A("b")]) == expected
