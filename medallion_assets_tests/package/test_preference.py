"""Laws of preference gold: its ids are those that trainers make of its messages, and nothing is lost."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.package.recipe import Packaging
from medallion_assets.records import canonical_json
from medallion_assets.schemas import PREFERENCE_TRIPLES
from medallion_assets.units import Message, Preference
from medallion_assets_tests.conform.rows import conformed_file
from medallion_assets_tests.package.chat import SPOKEN, shipped, variant
from medallion_assets_tests.package.golden import (
    Row,
    packaged,
    prompts,
    reasons,
    says,
    silver_rows,
    transformers_tokenizer,
    turns_of,
    user,
    written,
)
from medallion_assets_tests.real_data import real_data

CALL = canonical_json([{"type": "function", "function": {"name": "find", "arguments": {"q": 1}}}])
TOOLS = canonical_json([{"type": "function", "function": {"name": "find", "parameters": {}}}])
SIDES = ("prompt", "chosen", "rejected")


def pair(ask: str = "ask", better: str = "good", worse: str = "bad", **other: Any) -> Preference:
    return Preference([user(ask)], [says(better)], [says(worse)], **other)


def made(*records: Preference, **rules: Any) -> tuple[list[Row], list[Row], Row]:
    return packaged(PREFERENCE_TRIPLES, silver_rows(records), Packaging(**{"max_length": 4096, **rules}))


def ids_by_transformers(row: Row) -> list[list[int]]:
    """As TRL's DPO makes them of the row's messages and tools."""
    tools = json.loads(row["tools"]) if row["tools"] else None
    render = transformers_tokenizer().apply_chat_template
    prompt = render(row["prompt"], tools=tools, add_generation_prompt=True)["input_ids"]
    sides = [render(row["prompt"] + row[side], tools=tools)["input_ids"] for side in SIDES[1:]]
    assert all(side[: len(prompt)] == prompt for side in sides)
    return [prompt, *(side[len(prompt) :] for side in sides)]


ANSWERS = st.lists(st.tuples(SPOKEN, st.none() | SPOKEN), min_size=2, max_size=2, unique=True)
PAIRS = st.builds(
    lambda prompt, answers, tools: Preference(
        prompt, *([says(text, reasoning_content=thought)] for text, thought in answers), tools=tools
    ),
    prompts(),
    ANSWERS,
    st.sampled_from([None, TOOLS]),
)


@given(st.lists(PAIRS, max_size=6))
@settings(max_examples=40)
def test_the_ids_are_those_that_trl_makes_of_the_messages(pairs: list[Preference]) -> None:
    rows, rejects, summary = made(*pairs)
    assert rejects == []
    assert [[row[f"{side}_ids"] for side in SIDES] for row in rows] == [
        ids_by_transformers(row) for row in rows
    ]
    lengths = [[row[f"{side}_length"] for side in SIDES] for row in rows]
    assert lengths == [[len(row[f"{side}_ids"]) for side in SIDES] for row in rows]
    assert summary["tokens"] == sum(map(sum, lengths))


@given(st.lists(PAIRS, max_size=6), st.sampled_from([40, 80, 4096]), st.sampled_from(["reject", "truncate"]))
@settings(max_examples=40)
def test_every_record_is_a_row_that_fits_or_a_reject(
    pairs: list[Preference], max_length: int, too_long: str
) -> None:
    rows, rejects, summary = made(*pairs, max_length=max_length, too_long=too_long)
    ends = [row["record_id"] for row in rows] + [reject["record_id"] for reject in rejects]
    assert Counter(ends) == Counter(row["record_id"] for row in silver_rows(pairs))
    for row in rows:
        assert row["prompt_length"] + max(row["chosen_length"], row["rejected_length"]) <= max_length
        assert row["chosen_ids"] != row["rejected_ids"]
        whole = ids_by_transformers(row)
        assert row["prompt_ids"] == whole[0]
        for side, ids in zip(SIDES[1:], whole[1:], strict=True):
            assert row[f"{side}_ids"] == ids[: row[f"{side}_length"]]
    assert summary["truncated_records"] == sum(row["truncated"] for row in rows)
    assert {reject["reason"] for reject in rejects} <= {"too_long"}


def test_a_row_says_what_the_record_said_and_how_sure_it_was() -> None:
    record = pair(tools=TOOLS, chosen_score=2.0, rejected_score=0.5, margin=1.5, annotators=3)
    [row], _, _ = made(record)
    kept = {name: value for name, value in row.items() if not name.endswith(("_ids", "_length"))}
    assert kept == {
        "record_id": record.as_row()["record_id"],
        "source": "feed",
        "prompt": [{"role": "user", "content": "ask"}],
        "chosen": [{"role": "assistant", "content": "good"}],
        "rejected": [{"role": "assistant", "content": "bad"}],
        "tools": TOOLS,
        "truncated": False,
        "margin": 1.5,
        "chosen_score": 2.0,
        "rejected_score": 0.5,
        "annotators": 3,
    }


def test_a_thought_stands_before_the_answer_where_the_template_puts_it_there() -> None:
    [row], _, _ = made(Preference([user("q")], [says("a", reasoning_content="why")], [says("b")]))
    assert row["chosen"] == [{"role": "assistant", "content": "<think>\nwhy\n</think>\n\na"}]
    assert shipped().core.decode(row["chosen_ids"], skip_special_tokens=False).startswith("<think>\nwhy\n")


def test_turns_that_trainers_can_not_read_are_rejected() -> None:
    call, plain = says("", tool_calls=CALL), says("fine")
    result = Message("tool", "found", tool_call_id="1", name="find")
    records = [
        Preference([user("q")], [call], [plain], tools=TOOLS),
        Preference([user("q"), call, result], [says("a")], [plain], tools=TOOLS),
        pair(tools=TOOLS),
    ]
    rows, rejects, _ = made(*records)
    assert reasons(rejects) == {1: "not_plain_turns", 2: "not_plain_turns"}
    assert [row["tools"] for row in rows] == [TOOLS]


def test_the_name_of_a_tool_that_the_template_leaves_out_is_no_loss() -> None:
    result = Message("tool", "found", name="find")
    record = Preference([user("q"), says("look"), result], [says("a")], [says("b")])
    [row], _, _ = made(record)
    assert row["prompt"] == turns_of(record.prompt)


def test_a_single_answer_is_no_pair() -> None:
    alone = [Preference([user("q")], [says("a")], None), Preference([user("q")], None, [says("b")])]
    rows, rejects, _ = made(*alone, pair())
    assert (len(rows), reasons(rejects)) == (1, {1: "one_answer", 2: "one_answer"})


def test_max_length_counts_the_prompt_and_the_longer_answer() -> None:
    record = pair(better="short", worse="a longer answer than that")
    [row], _, _ = made(record)
    longest = row["prompt_length"] + row["rejected_length"]
    assert row["rejected_length"] > row["chosen_length"]
    for length, expected in ((longest, 1), (longest - 1, 0)):
        rows, rejects, _ = made(record, max_length=length)
        assert (len(rows), len(rejects)) == (expected, 1 - expected)
    assert rejects[0]["detail"] == f"{longest} tokens; max_length is {longest - 1}"


def test_answers_that_are_equal_as_far_as_they_fit_are_too_long() -> None:
    record = pair(better="the same words " * 9 + "yes", worse="the same words " * 9 + "no")
    rows, rejects, _ = made(record, max_length=24, too_long="truncate")
    assert (rows, reasons(rejects)) == ([], {1: "too_long"})


def test_a_template_that_tells_the_prompt_otherwise_once_answered_is_unclear(tmp_path: Path) -> None:
    variant(tmp_path)
    text = shipped().chat_template.replace("<|im_start|>assistant\\n", "<|im_start|>assistant:\\n", 1)
    opening = "{% if messages[-1].role == 'assistant' %}answered {% endif %}"
    (tmp_path / "chat_template.jinja").write_text(opening + text)
    _, rejects, _ = packaged(PREFERENCE_TRIPLES, silver_rows([pair()]), tokenizer=tmp_path)
    assert reasons(rejects) == {1: "prompt_unclear"}


MANY = silver_rows(
    [pair(f"ask {n}", "la " * (n % 30 + 1), "no") for n in range(120)]
    + [Preference([user(f"alone {n}")], [says("a")], None) for n in range(40)]
)


@pytest.mark.parametrize("batch_rows", [1, 7])
def test_the_batches_in_which_silver_is_read_change_no_byte(batch_rows: int, tmp_path: Path) -> None:
    whole = written(PREFERENCE_TRIPLES, MANY, tmp_path / "whole")
    assert written(PREFERENCE_TRIPLES, MANY, tmp_path / "batched", batch_rows=batch_rows) == whole


def test_the_order_of_silver_changes_no_row(tmp_path: Path) -> None:
    up, down = (
        written(PREFERENCE_TRIPLES, rows, tmp_path / n) for n, rows in (("u", MANY), ("d", MANY[::-1]))
    )
    assert up[0] == down[0]


def test_rows_lie_in_the_order_of_their_record_ids() -> None:
    rows, _, _ = packaged(PREFERENCE_TRIPLES, MANY)
    ids = [row["record_id"] for row in rows]
    assert ids == sorted(ids)
    assert len(ids) == 120


def test_a_real_set_of_pairs_goes_on_whole_with_the_ids_that_trl_makes() -> None:
    path = real_data("preference/hh_rlhf_harmless_base_test.jsonl.gz")
    silver, _ = conformed_file("hh_rlhf", path, unit="preference_triples")
    rows, rejects, _ = packaged(PREFERENCE_TRIPLES, silver, Packaging(4096))
    assert (len(rows), rejects) == (2_298, [])
    for row in rows[::50]:
        assert [row[f"{side}_ids"] for side in SIDES] == ids_by_transformers(row)
