"""A record is named by its content and by nothing else."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.units import Conversation, Message
from medallion_assets_tests.conform.rows import record_id_of

ALPACA = {"system": "s", "history": [["a", "b"]], "instruction": "c", "output": "d"}
SHAREGPT = {
    "system": "s",
    "conversations": [
        {"from": "human", "value": "a"},
        {"from": "gpt", "value": "b"},
        {"from": "human", "value": "c"},
        {"from": "gpt", "value": "d"},
    ],
}
MESSAGES = {
    "messages": [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [{"type": "text", "text": "b"}]},
        {"role": "user", "content": "c\r\n\x00"},
        {"role": "assistant", "content": " d", "weight": 1},
    ],
    "tools": [],
}
SHORT = st.sampled_from(["a", "b", "é", "e\u0301"])
TURNS = st.builds(
    Message,
    role=st.sampled_from(["user", "assistant"]),
    content=SHORT,
    reasoning_content=st.none() | SHORT,
    name=st.none() | SHORT,
    tool_call_id=st.none() | SHORT,
    train=st.booleans(),
)
CONVERSATIONS = st.builds(Conversation, st.lists(TURNS, max_size=3), st.none() | SHORT)


def test_one_conversation_has_one_id_in_every_format() -> None:
    ids = {
        record_id_of("alpaca", ALPACA),
        record_id_of("sharegpt", SHAREGPT),
        record_id_of("messages", MESSAGES),
    }
    assert ids == {record_id_of("alpaca", ALPACA)}


def test_where_a_record_comes_from_is_not_in_its_id() -> None:
    elsewhere: dict[str, Any] = {
        "source": "other",
        "landing_date": date(2025, 1, 1),
        "export_sha256": "0" * 64,
    }
    moved = record_id_of("alpaca", {**ALPACA, "id": "own"}, number=9, **elsewhere)
    assert moved == record_id_of("alpaca", ALPACA)


def test_an_id_is_32_hexadecimal_digits() -> None:
    name = record_id_of("alpaca", ALPACA)
    assert (len(name), set(name) <= set("0123456789abcdef")) == (32, True)


@given(st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3), max_size=5), st.randoms())
def test_the_order_of_keys_is_not_in_the_id(arguments: dict[str, Any], order: Any) -> None:
    def record(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        call = {"function": {"name": "f", "arguments": dict(pairs)}}
        turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "", "tool_calls": [call]}]
        return {"messages": turns, "tools": [dict(pairs)]}

    shuffled = list(arguments.items())
    order.shuffle(shuffled)
    assert record_id_of("messages", record(shuffled)) == record_id_of(
        "messages", record([*arguments.items()])
    )


@given(CONVERSATIONS, CONVERSATIONS)
def test_ids_are_equal_exactly_where_contents_are(one: Conversation, other: Conversation) -> None:
    row, other_row = one.as_row(), other.as_row()
    content, other_content = ([each["messages"], each["tools"]] for each in (row, other_row))
    assert (row["record_id"] == other_row["record_id"]) == (content == other_content)


def test_what_is_learned_is_part_of_the_content() -> None:
    silent = json.loads(json.dumps(MESSAGES))
    silent["messages"][2]["weight"] = 0
    assert record_id_of("messages", silent) != record_id_of("messages", MESSAGES)
