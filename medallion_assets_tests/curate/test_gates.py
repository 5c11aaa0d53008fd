"""Laws of the gates: what they refuse, by reason, and that all they let pass is well formed."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.curate.gates import GATES, first_reject
from medallion_assets.units import Conversation, Message

LETTERS = {"s": "system", "u": "user", "a": "assistant", "c": "assistant", "t": "tool"}
CALL = '[{"function":{"arguments":{},"name":"f"},"type":"function"}]'
# The grammar of a conversation, apart from the gates; c is an assistant that calls a tool.
WELL_FORMED = re.compile("s?(u(ct+)*a)*u(ct+)*[ac]")
TURNS = st.builds(
    Message,
    role=st.sampled_from([*LETTERS.values()]),
    content=st.sampled_from(["", "hi"]),
    tool_calls=st.sampled_from([None, None, CALL]),
    train=st.booleans(),
)
# Mostly well-formed, since arbitrary turns hardly ever are: answers, each after so many answered calls.
ANSWERS = st.lists(st.integers(0, 2), min_size=1, max_size=3).map(
    lambda calls: "a".join("u" + "ct" * n for n in calls)
)
LETTERINGS = st.tuples(st.sampled_from(["", "s"]), ANSWERS, st.sampled_from("aaac")).map("".join)


@st.composite
def nearly_well_formed(draw: st.DrawFn) -> list[Message]:
    messages = [said(letter) for letter in draw(LETTERINGS)]
    for message in messages:
        message.content = draw(st.sampled_from(["hi", "hi", "hi", ""]))
        message.train = draw(st.booleans())
    return messages


def said(letter: str) -> Message:
    return Message(LETTERS[letter], "hi", tool_calls=CALL if letter == "c" else None)


def reason(messages: list[Message]) -> str | None:
    reject = first_reject(Conversation(messages), GATES["sft_pairs"])
    return reject.reason if reject else None


def spoken(letters: str) -> list[Message]:
    return [said(letter) for letter in letters]


@pytest.mark.parametrize("letters", ["ua", "sua", "uaua", "uc", "ucta", "ucttcta", "uctaua", "suctc"])
def test_a_conversation_in_turns_passes(letters: str) -> None:
    assert reason(spoken(letters)) is None


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("", "no_turns"),
        ("a", "missing_user_turn"),
        ("sa", "missing_user_turn"),
        ("u", "missing_assistant_turn"),
        ("su", "missing_assistant_turn"),
        ("au", "wrong_role_order"),
        ("uau", "wrong_role_order"),
        ("uua", "wrong_role_order"),
        ("uaa", "wrong_role_order"),
        ("usa", "wrong_role_order"),
        ("ssua", "wrong_role_order"),
        ("uta", "wrong_role_order"),
        ("uata", "wrong_role_order"),
        ("ucua", "wrong_role_order"),
        ("uca", "wrong_role_order"),
        ("uact", "wrong_role_order"),
        ("uct", "wrong_role_order"),
        ("uctua", "wrong_role_order"),
    ],
)
def test_turns_out_of_order_are_refused(letters: str, expected: str) -> None:
    assert reason(spoken(letters)) == expected


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([Message("user", ""), Message("assistant", "a")], "empty_prompt"),
        ([Message("user", "q"), Message("assistant", "")], "empty_output"),
        ([Message("user", "q"), Message("assistant", "", reasoning_content="hm")], "empty_output"),
        ([Message("user", "q"), Message("assistant", "a", train=False)], "nothing_to_learn"),
        ([Message("user", "q", tool_calls=CALL), Message("assistant", "a")], "misplaced_tool_call"),
        (
            [Message("user", "", tool_calls=CALL), Message("tool", "r"), Message("assistant", "a")],
            "misplaced_tool_call",
        ),
        ([Message("system", "s", tool_calls=CALL), *spoken("ua")], "misplaced_tool_call"),
    ],
)
def test_turns_that_say_nothing_or_too_much_are_refused(messages: list[Message], expected: str) -> None:
    assert reason(messages) == expected


def test_a_reject_names_the_turn() -> None:
    gates = GATES["sft_pairs"]
    found = [first_reject(Conversation(spoken(letters)), gates) for letters in ("uua", "uau", "uca")]
    assert [reject.detail for reject in found if reject] == [
        "turn 2 is user after user",
        "it ends with user, not with assistant or call",
        "turn 3 is assistant after call",
    ]


@given(st.lists(TURNS, max_size=6) | nearly_well_formed())
@settings(max_examples=400)
def test_exactly_the_well_formed_conversations_pass(messages: list[Message]) -> None:
    letters = "".join("c" if m.tool_calls and m.role == "assistant" else m.role[0] for m in messages)
    speaks = all(m.content or m.tool_calls for m in messages if m.role in ("user", "assistant"))
    calls = all(m.role == "assistant" for m in messages if m.tool_calls)
    learns = any(m.train for m in messages if m.role == "assistant")
    well_formed = bool(WELL_FORMED.fullmatch(letters)) and speaks and calls and learns
    assert (reason(messages) is None) == well_formed
