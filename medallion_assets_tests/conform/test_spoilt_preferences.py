"""Whatever is wrong inside a record of preferences, it is rejected, never an error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.conform.delivery import Options
from medallion_assets_tests.conform.rows import bronze_row, conformed

TURNS = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
OTHER = [TURNS[0], {"from": "gpt", "value": "b"}]
VOTE = {"type": "pairwise", "from_name": "cmp", "value": {"selected": "left"}}
RATED = [{"response": text, "annotations": {"honesty": {"Rating": text}}} for text in "12"]
OPTIONS = {
    "argilla": Options({"prompt": ("p",), "first": ("a",), "second": ("b",), "vote": ("v",)}, {"A": "first"})
}
RECORDS: dict[str, Any] = {
    "hh_rlhf": {"chosen": "Human: q\n\nAssistant: a", "rejected": "Human: q\n\nAssistant: b"},
    "preference": {"prompt": "q", "system": "s", "chosen": TURNS, "rejected": OTHER, "score_chosen": 1},
    "ultrafeedback": {"instruction": "q", "completions": RATED},
    "distilabel": {"instruction": "q", "generations": ["a", "b"], "ratings": [1, 2], "chosen": None},
    "ranked": {
        "instruction": "q",
        "input": "",
        "history": [["a", "b"]],
        "output": ["a", "b"],
        "scores": [1, 2],
    },
    "kto": {"messages": TURNS, "label": True, "tools": "[]"},
    "alpaca_eval": {"instruction": "q", "output_1": "a", "output_2": "b", "preference": 1.2},
    "argilla": {
        "fields": {"p": "q", "a": "a", "b": "b"},
        "responses": {"v": [{"value": "A", "status": "submitted"}]},
    },
    "label_studio": {
        "data": {"prompt": [{"author": "user", "text": "q"}], "answer1": "a", "answer2": "b"},
        "annotations": [{"result": [VOTE], "was_cancelled": False, "ground_truth": False}],
    },
}
LEAVES = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-3, 3) | st.text("aq A1", max_size=3)
ANYTHING = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("av"), inner)
)


def paths(value: Any) -> list[tuple[Any, ...]]:
    """Of every value within this one, itself included."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(), *((key, *rest) for key, each in inner for rest in paths(each))]


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], by)
    return copy


def outcomes(format_name: str, record: Any) -> tuple[int, int]:
    """How many rows and how many rejects it makes."""
    bronze = [bronze_row(json.dumps(record))]
    options = OPTIONS.get(format_name)
    rows, rejects = conformed(format_name, bronze, unit="preference_triples", options=options)
    return len(rows), len(rejects)


@pytest.mark.parametrize("format_name", RECORDS)
def test_each_record_is_sound_to_begin_with(format_name: str) -> None:
    assert outcomes(format_name, RECORDS[format_name]) == (1, 0)


@pytest.mark.parametrize("format_name", RECORDS)
@given(data=st.data())
def test_a_record_spoilt_anywhere_is_a_row_or_a_reject(format_name: str, data: st.DataObject) -> None:
    record = RECORDS[format_name]
    spoilt = replaced(record, data.draw(st.sampled_from(paths(record))), data.draw(ANYTHING))
    assert sum(outcomes(format_name, spoilt)) == 1
