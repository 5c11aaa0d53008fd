"""Laws of the prompt_completion format."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.conform.formats.prompt_completion import END_MARKS, conform
from medallion_assets.records import Rejected
from medallion_assets.units import Conversation, Message
from medallion_assets_tests.conform.rows import HERE, record_id_of


def completion_of(text: str) -> str:
    return conform({"prompt": "q", "completion": text}, HERE).messages[-1].content


def test_two_texts_are_a_question_and_its_answer() -> None:
    found = conform({"prompt": "q\n\n", "completion": " yes", "id": 3}, HERE)
    assert found == Conversation([Message("user", "q\n\n"), Message("assistant", " yes")], source_id="3")


@pytest.mark.parametrize("mark", END_MARKS)
@pytest.mark.parametrize("after", ["", "\n", " \r\n"])
def test_an_end_mark_is_no_part_of_the_completion(mark: str, after: str) -> None:
    assert completion_of(f"yes{mark}{after}") == "yes"


@given(st.text())
def test_only_what_ends_in_an_end_mark_loses_anything(text: str) -> None:
    whole = f"{text}."
    assert completion_of(whole) == whole
    assert completion_of(f"{whole}</s>") == whole


def test_an_end_mark_elsewhere_is_content() -> None:
    assert completion_of("<eos> ends a text</s>?") == "<eos> ends a text</s>?"
    assert conform({"prompt": "q</s>", "completion": "a"}, HERE).messages[0].content == "q</s>"


def test_message_lists_and_texts_are_the_same_record() -> None:
    turns = {
        "prompt": [{"role": "user", "content": "q"}],
        "completion": [{"role": "assistant", "content": "a"}],
    }
    texts = {"prompt": "q", "completion": "a"}
    assert record_id_of("prompt_completion", turns) == record_id_of("prompt_completion", texts)


def test_turns_of_both_lists_follow_each_other() -> None:
    record = {
        "prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}],
        "completion": [{"role": "assistant", "content": "a", "weight": 0}],
        "tools": [{"name": "find"}],
    }
    expected = [Message("system", "s"), Message("user", "q"), Message("assistant", "a", train=False)]
    assert conform(record, HERE) == Conversation(expected, tools='[{"name":"find"}]')


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"prompt": "q"}, "missing_field: 'completion' is missing; found ['prompt']"),
        ({"completion": "a"}, "missing_field: 'prompt' is missing; found ['completion']"),
        ({"prompt": None, "completion": "a"}, "wrong_type: 'prompt' is a JSON null, expected a string"),
        ({"prompt": "q", "completion": 5}, "wrong_type: 'completion' is a JSON number, expected a string"),
        (
            {"prompt": ["q"], "completion": "a"},
            "wrong_type: a turn of 'prompt' is a JSON string, expected an object",
        ),
        ("q", "wrong_type: the record is a JSON string, expected an object"),
    ],
)
def test_each_fault_of_a_field_is_named(record: Any, expected: str) -> None:
    with pytest.raises(Rejected) as caught:
        conform(record, HERE)
    assert str(caught.value) == expected
