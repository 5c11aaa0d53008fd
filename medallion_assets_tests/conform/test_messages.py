"""Laws of the messages format."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from medallion_assets.conform.formats import messages
from medallion_assets.records import Rejected
from medallion_assets.units import Conversation, Message
from medallion_assets_tests.conform.rows import HERE, bronze_row, conformed

conform = partial(messages.conform, delivery=HERE)

CALL = {"id": "call_1", "type": "function", "function": {"name": "find", "arguments": {"what": "cat"}}}
SILVER_CALL = '[{"function":{"arguments":{"what":"cat"},"name":"find"},"id":"call_1","type":"function"}]'


def one(**turn: Any) -> Message:
    """The message that a single turn conforms to."""
    [message] = conform({"messages": [{"role": "assistant", "content": "hi", **turn}]}).messages
    return message


def test_a_conversation_keeps_its_turns_tools_and_id() -> None:
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    found = conform({"messages": turns, "tools": [{"b": 1, "a": 2}], "id": "c9"})
    expected = [Message("user", "q"), Message("assistant", "a")]
    assert found == Conversation(expected, tools='[{"a":2,"b":1}]', source_id="c9")


def test_content_parts_are_joined_whatever_their_spelling() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "value": "b"}, {"text": "c"}]
    assert one(content=parts) == Message("assistant", "abc")


@pytest.mark.parametrize("arguments", [{"what": "cat"}, '{"what": "cat"}', '{ "what" :"c\\u0061t"}'])
def test_arguments_as_text_and_as_an_object_are_the_same_call(arguments: Any) -> None:
    call = {**CALL, "function": {"name": "find", "arguments": arguments}}
    assert one(content="", tool_calls=[call]) == Message("assistant", "", tool_calls=SILVER_CALL)


@pytest.mark.parametrize("arguments", [{}, "", "{}"])
def test_no_arguments_are_an_empty_object(arguments: Any) -> None:
    found = one(tool_calls=[{"function": {"name": "now", "arguments": arguments}}])
    assert found.tool_calls == '[{"function":{"arguments":{},"name":"now"},"type":"function"}]'


@pytest.mark.parametrize("turn", [{"content": None}, {}])
def test_a_turn_that_only_calls_needs_no_content(turn: dict[str, Any]) -> None:
    record = {"messages": [{"role": "assistant", "tool_calls": [CALL], **turn}]}
    assert conform(record).messages == [Message("assistant", "", tool_calls=SILVER_CALL)]


def test_a_tool_turn_keeps_its_call_id_and_name() -> None:
    found = one(role="tool", tool_call_id="call_1", name="find")
    assert found == Message("tool", "hi", tool_call_id="call_1", name="find")


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_has_three_spellings(key: str) -> None:
    assert one(**{key: "since"}) == Message("assistant", "hi", reasoning_content="since")


def test_every_text_of_a_turn_is_cleaned_on_the_way_to_silver() -> None:
    dirty = " e\u0301\r\n\x00"
    turns = [
        {"role": "system", "content": dirty},
        {"role": "user", "content": dirty},
        {"role": "assistant", "content": dirty, "reasoning": dirty},
    ]
    [row], _ = conformed("messages", [bronze_row(json.dumps({"messages": turns}))])
    found = [(message["content"], message["reasoning_content"]) for message in row["messages"]]
    assert found == [("é", None), ("é", None), ("é", "é")]


@pytest.mark.parametrize(
    ("weights", "train"),
    [
        ({}, True),
        ({"weight": 1}, True),
        ({"loss_weight": 1.0}, True),
        ({"weight": None}, True),
        ({"weight": 0}, False),
        ({"loss_weight": 0.0}, False),
        ({"weight": None, "loss_weight": 0}, True),
        ({"weight": 0, "loss_weight": 1}, False),
    ],
)
def test_a_weight_of_zero_keeps_a_turn_out_of_the_loss(weights: dict[str, Any], train: bool) -> None:
    assert one(**weights) == Message("assistant", "hi", train=train)


@pytest.mark.parametrize("weight", [0.5, 2, -1, True, False, "1", [], {}])
def test_a_weight_between_or_beyond_is_refused(weight: Any) -> None:
    with pytest.raises(Rejected) as caught:
        one(weight=weight)
    expected = f"weight {weight!r}; a turn is learned (1) or not (0)"
    assert (caught.value.reason, caught.value.detail) == ("unsupported_weight", expected)


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        ({"content": None}, "wrong_type: 'content' is a JSON null, expected a string"),
        ({"content": 5}, "wrong_type: 'content' is a JSON number, expected a string"),
        ({"content": ["a"]}, "wrong_type: a content part is a JSON string, expected an object"),
        ({"content": [{"type": "text"}]}, "missing_field: 'text' or 'value' is missing; found ['type']"),
        (
            {"content": [{"type": "image", "url": "x"}]},
            "unsupported_content: a content part of type 'image'; only text is supported",
        ),
        ({"name": 5}, "wrong_type: 'name' is a JSON number, expected a string"),
        ({"tool_call_id": []}, "wrong_type: 'tool_call_id' is a JSON array, expected a string"),
        ({"reasoning": 1}, "wrong_type: 'reasoning' is a JSON number, expected a string"),
        ({"tool_calls": {}}, "invalid_tool_call: 'tool_calls' is a JSON object, expected an array"),
        ({"tool_calls": [5]}, "wrong_type: a tool call is a JSON number, expected an object"),
        (
            {"tool_calls": [{"function": None}]},
            "wrong_type: a tool call's function is a JSON null, expected an object",
        ),
        ({"tool_calls": [{"function": {"name": 5}}]}, "invalid_tool_call: the call names no function"),
    ],
)
def test_each_fault_of_a_turn_is_named(turn: dict[str, Any], expected: str) -> None:
    with pytest.raises(Rejected) as caught:
        one(**turn)
    assert str(caught.value) == expected


def test_arguments_that_are_no_json_are_refused_with_the_function_named() -> None:
    with pytest.raises(Rejected) as caught:
        one(tool_calls=[{"function": {"name": "find", "arguments": json.dumps("cat")[:-1]}}])
    expected = "the arguments of 'find' is not JSON: Input data was truncated"
    assert (caught.value.reason, caught.value.detail) == ("invalid_tool_call", expected)
