"""Public data sets, record by record; the figures agree with those measured in the data's own README."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from medallion_assets_tests.conform.rows import Rows, conformed_file
from medallion_assets_tests.real_data import real_data


@dataclass(frozen=True)
class Expected:
    file: str
    format: str
    rows: int
    distinct: int
    multi_turn: int = 0
    rejected: dict[str, int] = field(default_factory=dict)


DATA_SETS = [
    Expected(
        "alpaca_52k.json.gz",
        "alpaca",
        51_973,
        51_973,
        rejected={"empty_output": 28, "prompt_equals_answer": 1},
    ),
    Expected("alpaca_zh_demo.json", "alpaca", 1_000, 992),
    Expected("lima_1k.json", "alpaca", 1_029, 1_029, multi_turn=29),
    Expected("glaive_toolcall_en.json", "sharegpt", 300, 265, multi_turn=225),
    Expected("gpteacher_roleplay.json", "alpaca", 1_923, 1_923),
    Expected("gpteacher_toolformer.json", "alpaca", 7_673, 7_673),
    Expected("gsm8k_train_as_alpaca.json", "alpaca", 7_473, 7_473),
    Expected("llamafactory_v1_messages.jsonl", "messages", 500, 499),
    Expected("oasst_zh_sft.json", "alpaca", 689, 684, multi_turn=390),
    Expected(
        "instructionwild_user_2.jsonl", "alpaca", 0, 0, rejected={"missing_field": 246, "invalid_json": 2}
    ),
]


def load(file: str, format_name: str) -> tuple[Rows, Rows]:
    return conformed_file(format_name, real_data(f"sft/{file}"))


def user_turns(row: dict[str, Any]) -> int:
    return sum(message["role"] == "user" for message in row["messages"])


@pytest.mark.parametrize("expected", DATA_SETS, ids=lambda expected: expected.file)
def test_every_record_is_accounted_for(expected: Expected) -> None:
    rows, rejects = load(expected.file, expected.format)
    found = Expected(
        expected.file,
        expected.format,
        rows=len(rows),
        distinct=len({row["record_id"] for row in rows}),
        multi_turn=sum(user_turns(row) > 1 for row in rows),
        rejected=dict(Counter(reject["reason"] for reject in rejects)),
    )
    numbers = sorted(row["record_number"] for row in rows + rejects)
    assert (found, numbers) == (expected, list(range(1, len(rows) + len(rejects) + 1)))


def test_every_call_and_answer_of_the_tool_set_is_kept() -> None:
    rows, _ = load("glaive_toolcall_en.json", "sharegpt")
    turns = Counter(
        "call" if message["tool_calls"] else message["role"] for row in rows for message in row["messages"]
    )
    assert turns == {"user": 746, "assistant": 746, "call": 211, "tool": 211}
    assert sum(row["tools"] is not None for row in rows) == 191


def test_invalid_lines_are_told_by_their_line() -> None:
    _, rejects = load("instructionwild_user_2.jsonl", "alpaca")
    assert [reject["line"] for reject in rejects if reject["reason"] == "invalid_json"] == [134, 168]


def test_every_turn_of_the_weighted_set_is_learned() -> None:
    rows, _ = load("llamafactory_v1_messages.jsonl", "messages")
    trained = Counter((message["role"], message["train"]) for row in rows for message in row["messages"])
    assert trained == {("user", False): 500, ("assistant", True): 500}
