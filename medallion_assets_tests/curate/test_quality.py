"""Laws of which quality gates are on, and of which texts of a record they judge."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.curate.gates import first_reject
from medallion_assets.curate.gates.quality import quality_gates
from medallion_assets.curate.gates.quality.thresholds import Quality
from medallion_assets.schemas import DATA_UNITS, PREFERENCE_UNIT, PROMPT_UNIT, ROLLOUT_UNIT, SFT_UNIT
from medallion_assets.units import Conversation, Message, Preference, RlPrompt, Rollout

OFF = Quality(max_replacement_characters=None, max_mojibake=None, prompt_equals_answer="keep")
# What is on, alone, and an answer that it refuses.
BAD_ANSWERS: dict[str, tuple[Any, str]] = {
    "min_answer_characters": (5, "no"),
    "max_answer_characters": (5, "too long"),
    "max_repetition": (0.5, "the " * 100),
    "truncated_answers": ("reject", "```\ncode"),
    "refusals": ((), "As an AI language model, I have no taste."),
    "languages": (("fr",), "This is an English sentence with more than enough letters to tell that it is."),
}
BAD_TEXTS: dict[str, tuple[Any, str]] = {
    "max_replacement_characters": (0.01, "caf\ufffd"),
    "max_mojibake": (0.01, "Ã‰tÃ©"),
}


def asked(text: str = "q") -> Message:
    return Message("user", text)


def answered(text: str = "a", *, train: bool = True) -> Message:
    return Message("assistant", text, train=train)


def reason(record: Any, quality: Quality) -> str | None:
    units = {
        Conversation: SFT_UNIT,
        Preference: PREFERENCE_UNIT,
        RlPrompt: PROMPT_UNIT,
        Rollout: ROLLOUT_UNIT,
    }
    reject = first_reject(record, quality_gates(quality, units[type(record)]))
    return reject.reason if reject else None


def only(name: str, value: Any) -> Quality:
    return replace(OFF, **{name: value})


def rollout(text: str, finish_reason: str | None = None) -> Rollout:
    return Rollout("run", 1, 0, 1, prompt=[asked(text)], completion=text, finish_reason=finish_reason)


@pytest.mark.parametrize("unit", DATA_UNITS)
def test_a_gate_that_is_off_is_not_there(unit: str) -> None:
    assert quality_gates(OFF, unit) == ()


def test_every_threshold_that_can_be_set_has_its_law() -> None:
    lengths = {"min_prompt_characters", "max_prompt_characters"}
    other = {"prompt_equals_answer", "min_language_letters"}
    assert {field.name for field in fields(Quality)} == {*BAD_ANSWERS, *BAD_TEXTS, *lengths, *other}


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_answers_are_what_is_learned(name: str) -> None:
    """A pair's turns with weight, and the chosen side; not prompts, context, rejected sides or rollouts."""
    value, bad = BAD_ANSWERS[name]
    good = "Cela va." if name != "refusals" else "Sure."
    judged = [
        Conversation([asked(), answered(bad)]),
        Preference([asked()], [answered(bad)], [answered(good)]),
    ]
    passed = [
        Conversation([asked(), answered(bad, train=False), asked(), answered("Bien.")]),
        Conversation([asked(bad), answered("Bien.")]),
        Preference([asked()], [answered("Bien.")], [answered(bad)]),
        Preference([asked()], None, [answered(bad)]),
        Preference([asked(), answered(bad), asked()], [answered("Bien.")], None),
        rollout(bad),
    ]
    quality = only(name, value)
    assert None not in [reason(record, quality) for record in judged]
    assert [reason(record, quality) for record in passed] == [None] * len(passed)


@pytest.mark.parametrize("name", BAD_TEXTS)
def test_damage_counts_wherever_it_is_but_in_a_rollout(name: str) -> None:
    value, bad = BAD_TEXTS[name]
    records = [
        Conversation([asked(bad), answered()]),
        Conversation([asked(), answered(bad, train=False), asked(), answered()]),
        Preference([asked(bad)], [answered()], None),
        Preference([asked()], [answered(bad)], [answered()]),
        Preference([asked()], None, [answered(bad)]),
        RlPrompt([asked(bad)]),
    ]
    found = {reason(record, only(name, value)) for record in records}
    assert found == {name.removeprefix("max_")}
    assert reason(rollout(bad), only(name, value)) is None


@given(st.lists(st.text("ab", max_size=4), min_size=1, max_size=3), st.integers(0, 8), st.integers(0, 8))
def test_a_prompt_is_all_that_the_user_says(said: list[str], least: int, most: int) -> None:
    turns = [turn for text in said for turn in (asked(text), answered("anything at all"))]
    quality = replace(OFF, min_prompt_characters=least, max_prompt_characters=most)
    length = sum(map(len, said))
    expected = "prompt_too_short" if length < least else "prompt_too_long" if length > most else None
    records = [Conversation(turns), RlPrompt(turns[:-1]), Preference(turns[:-1], turns[-1:], None)]
    assert [reason(record, quality) for record in records] == [expected] * 3


def test_an_answer_that_repeats_its_prompt_is_refused_where_nothing_asked_for_it() -> None:
    said = "Do it, and do it now."
    echo = [asked(said), answered(said)]
    found = [
        reason(Conversation(echo), Quality()),
        reason(Preference(echo[:1], echo[1:], [answered()]), Quality()),
        reason(Conversation([Message("system", "Repeat all."), *echo]), Quality()),
        reason(Conversation([asked("Repeat all."), answered("Yes."), *echo]), Quality()),
        reason(Preference(echo[:1], [answered()], echo[1:]), Quality()),
        reason(Preference([*echo, asked()], [answered()], None), Quality()),
        reason(Conversation([asked("Good morning!"), answered("Good morning!")]), Quality()),
        reason(Conversation([echo[0], answered(said, train=False), asked(), answered()]), Quality()),
        reason(RlPrompt(echo[:1]), Quality()),
        reason(Conversation(echo), OFF),
    ]
    assert found == ["prompt_equals_answer"] * 2 + [None] * 8


def test_the_language_of_a_prompt_counts_where_there_is_no_answer() -> None:
    value, english = BAD_ANSWERS["languages"]
    found = [
        reason(RlPrompt([asked(english)]), only("languages", languages)) for languages in (value, ("en",))
    ]
    assert found == ["language", None]


@pytest.mark.parametrize(
    ("finish_reason", "verdict", "expected"),
    [
        ("length", "reject", "truncated"),
        ("length", "keep", None),
        ("stop", "reject", None),
        (None, "reject", None),
    ],
)
def test_a_rollout_is_truncated_if_it_ran_out_of_length(
    finish_reason: str | None, verdict: str, expected: str | None
) -> None:
    assert reason(rollout("```\ncode", finish_reason), only("truncated_answers", verdict)) == expected


def test_a_reject_names_the_turn() -> None:
    gates = quality_gates(only("max_answer_characters", 3), SFT_UNIT)
    reject = first_reject(Conversation([asked(), answered(), asked(), answered("long")]), gates)
    assert str(reject) == "answer_too_long: turn 4: 4 characters; at most 3"


def test_zero_is_a_threshold_and_turns_nothing_off() -> None:
    zero = Quality(max_answer_characters=0, max_replacement_characters=0, max_mojibake=0)
    found = [
        reason(Conversation([asked("é" * 500 + text), answered()]), zero) for text in ("\ufffd", "Ã©", "")
    ]
    assert found == ["replacement_characters", "mojibake", "answer_too_long"]


@given(
    st.lists(
        st.builds(Message, st.sampled_from(["user", "assistant", "tool"]), st.text(max_size=9)), max_size=4
    )
)
def test_any_record_is_judged_without_a_fault(turns: list[Message]) -> None:
    strict = Quality(1, 99, 1, 99, 0.1, 0.0, 0.0, "reject", "reject", ("no",))
    records = [
        Conversation(turns),
        RlPrompt(turns),
        Preference(turns, turns, None),
        Preference(turns, None, turns),
    ]
    for record in records:
        assert reason(record, OFF) is None
        reason(record, strict)
