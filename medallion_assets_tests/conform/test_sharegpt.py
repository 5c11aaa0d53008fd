"""Laws of the sharegpt format."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from medallion_assets.conform.fields import ROLES
from medallion_assets.conform.formats import sharegpt
from medallion_assets.records import Rejected
from medallion_assets.units import Conversation, Message
from medallion_assets_tests.conform.rows import HERE

conform = partial(sharegpt.conform, delivery=HERE)

HELLO = {"from": "human", "value": "hello"}
CALL = '{"name": "find", "arguments": {"what": "cat"}}'
SILVER_CALL = '[{"function":{"arguments":{"what":"cat"},"name":"find"},"type":"function"}]'


def conversation(*turns: Any, **fields: Any) -> dict[str, Any]:
    return {"conversations": list(turns), **fields}


@pytest.mark.parametrize(("name", "role"), [*ROLES.items(), ("Human", "user"), ("GPT", "assistant")])
def test_every_spelling_of_a_speaker_has_its_role(name: str, role: str) -> None:
    assert conform(conversation({"from": name, "value": "hi"})) == Conversation([Message(role, "hi")])


def test_turns_may_be_spelled_as_messages_are() -> None:
    spelled = conform(conversation({"role": "user", "content": "hello"}))
    assert spelled == conform(conversation(HELLO))


def test_the_system_field_is_the_first_turn() -> None:
    found = conform(conversation(HELLO, system="Be kind.", id=7))
    assert found == Conversation([Message("system", "Be kind."), Message("user", "hello")], source_id="7")


def test_calls_and_observations_become_tool_calls_and_tool_turns() -> None:
    turns = [HELLO, {"from": "function_call", "value": CALL}, {"from": "observation", "value": '{"n": 1}'}]
    assert conform(conversation(*turns)).messages == [
        Message("user", "hello"),
        Message("assistant", "", tool_calls=SILVER_CALL),
        Message("tool", '{"n": 1}'),
    ]


def test_arguments_given_as_text_are_the_same_call() -> None:
    text = json.dumps({"arguments": '{"what": "cat"}', "name": "find"})
    assert (
        conform(conversation({"from": "function_call", "value": text})).messages[0].tool_calls == SILVER_CALL
    )


@pytest.mark.parametrize("tools", ['[{"name": "find", "b": 1}]', [{"b": 1, "name": "find"}]])
def test_tools_are_one_text_however_they_are_given(tools: Any) -> None:
    assert conform(conversation(HELLO, tools=tools)).tools == '[{"b":1,"name":"find"}]'


@pytest.mark.parametrize("tools", ["", "  ", "[]", [], None, "null"])
def test_no_tools_are_no_text(tools: Any) -> None:
    assert conform(conversation(HELLO, tools=tools)).tools is None


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({}, "missing_field: 'conversations' is missing; found []"),
        ({"conversations": "x"}, "wrong_type: 'conversations' is a JSON string, expected an array"),
        (conversation("x"), "wrong_type: a turn is a JSON string, expected an object"),
        (conversation({"from": "human"}), "missing_field: 'value' or 'content' is missing; found ['from']"),
        (
            conversation({"from": "human", "value": 5}),
            "wrong_type: 'value' is a JSON number, expected a string",
        ),
        (conversation(HELLO, tools="{"), "invalid_tools: 'tools' is not JSON: Input data was truncated"),
        (conversation(HELLO, tools={"a": 1}), "invalid_tools: 'tools' is a JSON object, expected an array"),
        (conversation(HELLO, tools=[None]), "invalid_tools: 'tools' holds a JSON null, expected objects"),
        (conversation({"from": "function_call", "value": "find cat"}), "invalid_tool_call: "),
        (
            conversation({"from": "function_call", "value": "[1]"}),
            "wrong_type: a tool call is a JSON array, expected an object",
        ),
        (
            conversation({"from": "function_call", "value": "{}"}),
            "invalid_tool_call: the call names no function",
        ),
        (
            conversation({"from": "function_call", "value": '{"name": ""}'}),
            "invalid_tool_call: the call names no function",
        ),
        (
            conversation({"from": "function_call", "value": '{"name": "f", "arguments": "x"}'}),
            "invalid_tool_call: ",
        ),
    ],
)
def test_each_fault_is_named(record: Any, expected: str) -> None:
    with pytest.raises(Rejected) as caught:
        conform(record)
    assert str(caught.value).startswith(expected)


@pytest.mark.parametrize("name", ["narrator", "", None, 7, ["human"]])
def test_an_unknown_speaker_is_told_with_the_known_ones(name: Any) -> None:
    with pytest.raises(Rejected) as caught:
        conform(conversation({"from": name, "value": "hi"}))
    expected = f"role {name!r}; known: {', '.join(sorted(ROLES))}"
    assert (caught.value.reason, caught.value.detail) == ("unknown_role", expected)
