"""Laws of what is compared: the parts asked for and no other, in the order in which they are said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.schemas import (
    PREFERENCE_TRIPLES,
    RL_PROMPTS,
    RL_ROLLOUTS,
    SFT_PAIRS,
    UNIT_SCHEMAS,
    TableSchema,
)
from medallion_assets.text.compared import CONVERSATION, PARTS, ROLES, text_of

Row = dict[str, Any]
# Of one line, so that lines tell what was said.
TEXT = st.text(st.sampled_from("ab é你😀"), max_size=6)
CALLS = [{"function": {"name": "look", "arguments": '{"where": ["on", {"top": 2.5}], "why": null}'}}]
CALLED = ["function", "name", "look", "arguments", "where", "on", "top", "2.5", "why"]
TURN = st.fixed_dictionaries(
    {
        "role": st.sampled_from(ROLES),
        "content": TEXT,
        "reasoning_content": st.none() | TEXT,
        "tool_calls": st.none() | st.just(json.dumps(CALLS)),
        "train": st.just(False),
    }
)
TURNS = st.lists(TURN, max_size=3)
TOOLS = st.none() | st.just(json.dumps([{"name": "look", "strict": True}]))
CHOSEN = {
    SFT_PAIRS: st.fixed_dictionaries({"messages": TURNS, "tools": TOOLS}),
    PREFERENCE_TRIPLES: st.fixed_dictionaries(
        {"prompt": TURNS, "chosen": st.none() | TURNS, "rejected": st.none() | TURNS, "tools": TOOLS}
    ),
    RL_PROMPTS: st.fixed_dictionaries({"prompt": TURNS, "ground_truth": st.none() | TEXT, "tools": TOOLS}),
    RL_ROLLOUTS: st.fixed_dictionaries({"prompt": st.none() | TURNS, "completion": st.none() | TEXT}),
}


@st.composite
def rows_and_parts(draw: st.DrawFn) -> tuple[TableSchema, list[Row], list[str]]:
    schema = draw(st.sampled_from(list(CHOSEN)))
    parts = draw(st.lists(st.sampled_from(PARTS[schema.name]), unique=True))
    return schema, draw(st.lists(CHOSEN[schema], max_size=5)), parts


def table(schema: TableSchema, rows: Sequence[Row]) -> pa.Table:
    """Of the columns that have texts, as a reader of those gives them."""
    names = [name for name in ("messages", *PARTS[schema.name]) if name in schema.arrow.names]
    return pa.Table.from_pylist(list(rows), schema=pa.schema([schema.arrow.field(name) for name in names]))


def said_by_rule(row: Row, unit: str, parts: Sequence[str]) -> list[str]:
    if unit == SFT_PAIRS.name:
        return turns_by_rule(row["messages"], parts) + [
            line for name in parts if name == "tools" for line in part_by_rule(row, name)
        ]
    return [line for name in parts for line in part_by_rule(row, name)]


def part_by_rule(row: Row, name: str) -> list[str]:
    if row[name] is None:
        return []
    if name == "tools":
        return ["name", "look", "strict", "True"]
    return [row[name]] if isinstance(row[name], str) else turns_by_rule(row[name], CONVERSATION)


def turns_by_rule(turns: Sequence[Row], parts: Sequence[str]) -> list[str]:
    found: list[str] = []
    for turn in turns:
        found += [turn["reasoning_content"] or ""] if "reasoning" in parts else []
        found += [turn["content"]] if turn["role"] in parts else []
        found += CALLED if "calls" in parts and turn["tool_calls"] else []
    return found


def lines(texts: pa.StringArray) -> list[list[str]]:
    """What is said: how many line breaks lie between the parts is nobody's business."""
    return [[line for line in text.split("\n") if line] for text in texts.to_pylist()]


def spoken(rows: Sequence[Row], unit: str, parts: Sequence[str]) -> list[list[str]]:
    return [[line for line in said_by_rule(row, unit, parts) if line] for row in rows]


@given(rows_and_parts())
def test_the_parts_asked_for_are_said_in_their_order(
    given_: tuple[TableSchema, list[Row], list[str]],
) -> None:
    schema, rows, parts = given_
    assert lines(text_of(table(schema, rows), schema.name, parts)) == spoken(rows, schema.name, parts)


@given(rows_and_parts(), st.data())
def test_neither_slices_nor_chunks_matter(
    given_: tuple[TableSchema, list[Row], list[str]], data: st.DataObject
) -> None:
    schema, rows, parts = given_
    whole = table(schema, rows)
    first, last = sorted(data.draw(st.tuples(*[st.integers(0, len(rows))] * 2)))
    expected = spoken(rows, schema.name, parts)
    assert lines(text_of(whole.slice(first, last - first), schema.name, parts)) == expected[first:last]
    chunked = pa.concat_tables([whole.slice(0, first), whole.slice(first)])
    assert lines(text_of(chunked, schema.name, parts)) == expected


def leaves(tools: str) -> list[str]:
    [text] = text_of(
        table(RL_PROMPTS, [{"prompt": [], "tools": tools}]), RL_PROMPTS.name, ["tools"]
    ).to_pylist()
    return str(text).split("\n")


def test_json_within_strings_of_json_is_opened() -> None:
    inner = json.dumps({"code": "def f():\n\treturn 'é'", "n": [1, 1.5, True, None]})
    assert leaves(json.dumps([{"arguments": inner}])) == [
        "arguments",
        "code",
        "def f():",
        "\treturn 'é'",
        "n",
        "1",
        "1.5",
        "True",
    ]


@pytest.mark.parametrize("text", ["{not json", '["cut', '{"a": 1e999}', '["\\ud800"]', "[" * 200 + "]" * 200])
def test_what_only_looks_like_json_is_said_as_it_is(text: str) -> None:
    assert leaves(json.dumps([text])) == [text]


def test_nothing_nested_is_too_deep_whoever_asks() -> None:
    """Ten levels of JSON text in JSON text, of ninety brackets each, from a shallow and from a deep stack."""
    nested = '"within"'
    for _ in range(10):
        nested = "[" * 90 + json.dumps(nested) + "]" * 90

    def from_below(frames: int) -> list[str]:
        return leaves(nested) if frames == 0 else from_below(frames - 1)

    assert from_below(0) == from_below(500) == ['"within"']


def test_numbers_of_any_length_are_said() -> None:
    assert leaves(json.dumps([{"n": 10**30}])) == ["n", str(10**30)]
    assert leaves(f"[{'7' * 5000}]") == [f"[{'7' * 5000}]"]


@pytest.mark.parametrize("unit", UNIT_SCHEMAS)
def test_without_parts_every_row_says_nothing(unit: str) -> None:
    rows = table(UNIT_SCHEMAS[unit], [{"messages": [], "prompt": []}] * 2)
    assert text_of(rows, unit, []).to_pylist() == ["", ""]
    assert text_of(rows.slice(0, 0), unit, PARTS[unit]).to_pylist() == []
