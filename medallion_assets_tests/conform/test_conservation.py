"""Every bronze row ends exactly once, as a conformed row or as a reject, whatever it says."""

from __future__ import annotations

import importlib
import inspect
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.conform import formats
from medallion_assets.conform.delivery import Options
from medallion_assets.conform.format import format_names, load_format
from medallion_assets.records import MAX_JSON_DEPTH
from medallion_assets.schemas import ORIGIN
from medallion_assets_tests.conform.rows import Rows, bronze_row, conformed, outcome

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
# What formats look for, so that arbitrary values reach beyond the first check.
WORDS = """
    instruction input output response system history id conversations from value messages role content type
    text tools tool_calls function name arguments weight loss_weight reasoning tool_call_id
    prompt completion chosen rejected label score scores question answer annotations responses fields status
    data result completions generations ratings output_1 output_2 preference message_tree_id tree_state
    replies rank data_source reward_model ground_truth extra_info step sample_idx prompt_tokens
    response_tokens
    logprobs reward advantage token_ids loss_mask inference_logprobs input_lengths token_loss_mask rewards
    advantages idx
"""
KEYS = st.sampled_from(WORDS.split())
ROLES = st.sampled_from(
    ["user", "human", "assistant", "gpt", "tool", "function_call", "observation", "system"]
)
JSON_TEXTS = st.sampled_from(
    ["", "[]", "{}", "null", '{"name": "f", "arguments": {"a": [1e3]}}', '[{"name": 1}]']
)
VALUES = st.recursive(
    SCALARS | ROLES | JSON_TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=12,
)
TEXTS = st.sampled_from(["", " ", "hi", "a\u0301"]) | st.text(max_size=5)
CALLS = st.lists(
    st.fixed_dictionaries({"function": st.fixed_dictionaries({"name": TEXTS, "arguments": VALUES})})
)
SAID = {
    "messages": st.fixed_dictionaries(
        {"role": ROLES, "content": TEXTS | VALUES}, optional={"tool_calls": CALLS | VALUES, "weight": VALUES}
    ),
    "sharegpt": st.fixed_dictionaries({"from": ROLES, "value": TEXTS | JSON_TEXTS | VALUES}),
}
RECORDS = {
    "alpaca": st.fixed_dictionaries(
        {"instruction": TEXTS | VALUES, "output": TEXTS | VALUES},
        optional={
            "input": VALUES,
            "system": VALUES,
            "history": st.lists(st.lists(TEXTS, max_size=3)) | VALUES,
        },
    ),
    "messages": st.fixed_dictionaries({"messages": st.lists(SAID["messages"])}, optional={"tools": VALUES}),
    "sharegpt": st.fixed_dictionaries(
        {"conversations": st.lists(SAID["sharegpt"])}, optional={"tools": VALUES}
    ),
}
ANY_RECORD = st.dictionaries(KEYS, TEXTS | VALUES, max_size=8)
# What a source must say for its format; the others need nothing.
OPTIONS = {
    "argilla": Options(
        fields={name: (name,) for name in ("prompt", "first", "second", "vote")}, votes={"a": "first"}
    ),
    "mapping": Options(fields={"prompt": ("prompt",), "response": ("response",)}),
}
NESTED = "[" * MAX_JSON_DEPTH + "]" * MAX_JSON_DEPTH


def conformed_any(format_name: str, bronze: list[dict[str, Any]]) -> tuple[Rows, Rows]:
    unit = load_format(format_name).units[0]
    return conformed(format_name, bronze, unit=unit, options=OPTIONS.get(format_name))


def assert_conserved(format_name: str, bronze: list[dict[str, Any]]) -> None:
    rows, rejects = conformed_any(format_name, bronze)
    ends = sorted(rows + rejects, key=lambda row: row["record_number"])
    assert [[row[key] for key in ORIGIN] for row in ends] == [[row[key] for key in ORIGIN] for row in bronze]
    assert all(reject["reason"] and reject["detail"] for reject in rejects)


@given(st.data(), st.sampled_from(format_names()))
@settings(max_examples=150)
def test_any_json_ends_in_exactly_one_place(data: st.DataObject, format_name: str) -> None:
    records = data.draw(st.lists(VALUES | RECORDS.get(format_name, ANY_RECORD), min_size=1, max_size=5))
    bronze = [bronze_row(json.dumps(record), number) for number, record in enumerate(records, start=1)]
    assert_conserved(format_name, bronze)


@given(st.sampled_from(format_names()), st.lists(st.text() | st.binary(), min_size=1, max_size=5))
def test_any_text_or_bytes_end_in_exactly_one_place(format_name: str, raws: list[str | bytes]) -> None:
    texts = [raw.encode(errors="replace").decode() if isinstance(raw, str) else raw for raw in raws]
    assert_conserved(format_name, [bronze_row(raw, number) for number, raw in enumerate(texts, start=1)])


@pytest.mark.parametrize("format_name", format_names())
@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "invalid_json"),
        ("{", "invalid_json"),
        ("{} {}", "invalid_json"),
        ("\ufeff{}", "invalid_json"),
        ("NaN", "invalid_json"),
        ("1e999", "invalid_json"),
        ('{"id": 1e999}', "invalid_json"),
        ('{"id": -Infinity}', "invalid_json"),
        (f'{{"id": {"9" * 5000}}}', "invalid_json"),
        (r'{"instruction": "\ud800"}', "invalid_json"),
        (r'{"\udc00": 1}', "invalid_json"),
        ("[" * 100_000, "too_deep"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "too_deep"),
        (NESTED, "wrong_type"),
        (f"[{NESTED}]", "too_deep"),
        (b"\xff\xfe", "invalid_utf8"),
        ("{}", "missing_field"),
        ("null", "wrong_type"),
    ],
)
def test_odd_texts_have_their_reason(format_name: str, raw: str | bytes, reason: str) -> None:
    _, [reject] = conformed_any(format_name, [bronze_row(raw)])
    assert reject["reason"] == reason


def test_brackets_within_a_string_are_not_depth() -> None:
    assert outcome("alpaca", json.dumps({"instruction": "[" * 5000, "output": "{" * 5000})) == "conformed"


def test_a_key_given_twice_is_not_decided_for_the_source() -> None:
    assert outcome("alpaca", '{"instruction": "a", "output": "b", "output": "c"}') == "duplicate_key"


def calling(argument: str) -> dict[str, str]:
    """One record a format, each with this argument of a call."""
    call = f'{{"name":"f","arguments":{{"a":{argument}}}}}'
    turns = [{"from": "human", "value": "q"}, {"from": "function_call", "value": call}]
    ours = f'[{{"role":"user","content":"q"}},{{"role":"assistant","tool_calls":[{call}]}}]'
    return {"sharegpt": json.dumps({"conversations": turns}), "messages": f'{{"messages":{ours}}}'}


@pytest.mark.parametrize("frames", [0, 300, 600])
@pytest.mark.parametrize(
    ("format_name", "refused"), [("messages", "too_deep"), ("sharegpt", "invalid_tool_call")]
)
def test_how_deep_is_too_deep_does_not_follow_the_callers_stack(
    format_name: str, refused: str, frames: int
) -> None:
    def at_depth(left: int, raw: str) -> str:
        return at_depth(left - 1, raw) if left else outcome(format_name, raw)

    fates = [at_depth(frames, calling("[" * n + "]" * n)[format_name]) for n in (90, 130, 500, 900)]
    assert fates == ["conformed", refused, refused, refused]


def test_nesting_at_pythons_own_limit_is_a_reject_and_no_crash() -> None:
    raws = [calling("[" * depth + "]" * depth)["sharegpt"] for depth in range(700, 1000)]
    assert {outcome("sharegpt", raw) for raw in raws} == {"invalid_tool_call"}


def test_a_broken_container_is_rejected_by_extract_with_its_defect() -> None:
    [reject] = conformed("alpaca", [bronze_row(b"", 0, defect="corrupt_gzip: bad header")])[1]
    found = (reject["stage"], reject["reason"], reject["detail"])
    assert found == ("extract", "corrupt_gzip", "bad header")


def test_a_reject_keeps_what_landed() -> None:
    rejects = conformed("alpaca", [bronze_row("{", 1), bronze_row(b"\xff", 2)])[1]
    assert [(r["stage"], r["raw"], r["raw_bytes"]) for r in rejects] == [
        ("conform", "{", None),
        ("conform", None, b"\xff"),
    ]


@pytest.mark.parametrize("format_name", format_names())
def test_a_format_stands_on_no_other_format(format_name: str) -> None:
    """Its own module and what all share are what its tables are rebuilt for."""
    source = inspect.getsource(importlib.import_module(f"{formats.__name__}.{format_name}"))
    assert "conform.formats" not in source
