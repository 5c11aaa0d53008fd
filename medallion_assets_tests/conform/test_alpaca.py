"""Laws of the alpaca format."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from medallion_assets.conform.formats import alpaca
from medallion_assets.records import Rejected
from medallion_assets.units import Conversation, Message
from medallion_assets_tests.conform.rows import HERE

conform = partial(alpaca.conform, delivery=HERE)


def test_the_input_follows_the_instruction_after_an_empty_line() -> None:
    record = {"instruction": "Add.", "input": "1, 2", "output": "3"}
    assert conform(record) == Conversation([Message("user", "Add.\n\n1, 2"), Message("assistant", "3")])


@pytest.mark.parametrize("given", [{}, {"input": ""}, {"input": None}])
def test_no_input_adds_nothing(given: dict[str, Any]) -> None:
    record = {"instruction": "Add.", "output": "3", **given}
    assert conform(record) == Conversation([Message("user", "Add."), Message("assistant", "3")])


def test_an_input_without_an_instruction_is_the_whole_prompt() -> None:
    record = {"instruction": "", "input": "1, 2", "output": "3"}
    assert conform(record).messages[0] == Message("user", "1, 2")


def test_system_and_history_come_first_in_their_order() -> None:
    record = {"system": "S", "history": [["a", "b"], ["c", "d"]], "instruction": "e", "output": "f"}
    roles = ("system", "user", "assistant", "user", "assistant", "user", "assistant")
    assert conform(record).messages == [Message(*pair) for pair in zip(roles, "Sabcdef", strict=True)]


def test_response_is_another_spelling_of_output() -> None:
    assert conform({"instruction": "a", "response": "b"}) == conform({"instruction": "a", "output": "b"})


def test_output_is_preferred_where_both_spellings_are_there() -> None:
    both = conform({"instruction": "a", "response": "c", "output": "b"})
    assert both.messages[-1] == Message("assistant", "b")


@pytest.mark.parametrize(
    ("own", "kept"), [("x7", "x7"), (7, "7"), (10**30, f"{10**30}"), (True, None), (1.5, None)]
)
def test_a_plain_id_of_the_source_is_kept_as_text(own: Any, kept: str | None) -> None:
    assert conform({"id": own, "instruction": "a", "output": "b"}).source_id == kept


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ([], "wrong_type: the record is a JSON array, expected an object"),
        (None, "wrong_type: the record is a JSON null, expected an object"),
        ("text", "wrong_type: the record is a JSON string, expected an object"),
        (True, "wrong_type: the record is a JSON boolean, expected an object"),
        (1.5, "wrong_type: the record is a JSON number, expected an object"),
        ({"output": "b"}, "missing_field: 'instruction' is missing; found ['output']"),
        (
            {"instruction": "a", "id": 1},
            "missing_field: 'output' or 'response' is missing; found ['id', 'instruction']",
        ),
        ({"instruction": 1, "output": "b"}, "wrong_type: 'instruction' is a JSON number, expected a string"),
        ({"instruction": "a", "output": None}, "wrong_type: 'output' is a JSON null, expected a string"),
        (
            {"instruction": "a", "input": [], "output": "b"},
            "wrong_type: 'input' is a JSON array, expected a string",
        ),
        (
            {"instruction": "a", "system": {}, "output": "b"},
            "wrong_type: 'system' is a JSON object, expected a string",
        ),
        (
            {"instruction": "a", "history": {}, "output": "b"},
            "wrong_type: 'history' is a JSON object, expected an array",
        ),
    ],
)
def test_each_fault_of_a_field_is_named(record: Any, expected: str) -> None:
    with pytest.raises(Rejected) as caught:
        conform(record)
    assert str(caught.value) == expected


@pytest.mark.parametrize("turn", ["a", ["a"], ["a", "b", "c"], ["a", None], {"a": "b"}])
def test_a_history_turn_must_be_a_pair_of_strings(turn: Any) -> None:
    with pytest.raises(Rejected) as caught:
        conform({"instruction": "a", "output": "b", "history": [["ok", "ok"], turn]})
    expected = "'history' has a turn that is not a [user, assistant] pair of strings"
    assert (caught.value.reason, caught.value.detail) == ("wrong_type", expected)
