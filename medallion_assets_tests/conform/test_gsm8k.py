"""Laws of the gsm8k format."""

from __future__ import annotations

from typing import Any

import pytest

from medallion_assets.conform.formats.gsm8k import conform
from medallion_assets.records import Rejected
from medallion_assets.units import Message, RlPrompt
from medallion_assets_tests.conform.rows import HERE


def test_the_final_answer_is_the_truth_and_the_solution_is_kept() -> None:
    found = conform({"question": "How many?", "answer": "48/2 = <<48/2=24>>24.\n#### 24"}, HERE)
    assert found == RlPrompt(
        [Message("user", "How many?")],
        ground_truth="24",
        verifier="gsm8k",
        data_source="gsm8k",
        ability="math",
        extra_info='{"solution":"48/2 = <<48/2=24>>24."}',
    )


@pytest.mark.parametrize(
    ("answer", "truth"),
    [
        ("x\n#### 1,234,567", "1234567"),
        ("x ####-5 ", "-5"),
        ("a #### 1\nb #### 2", "2"),
        ("x\n#### 0.5\n", "0.5"),
    ],
)
def test_the_truth_is_what_follows_the_last_mark_without_commas(answer: str, truth: str) -> None:
    assert conform({"question": "q", "answer": answer}, HERE).ground_truth == truth


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            {"question": "q", "answer": "It is 72."},
            "missing_final_answer: 'answer' ends with 'It is 72.', expected '#### <number>'",
        ),
        (
            {"question": "q", "answer": "x\n####  "},
            "missing_final_answer: 'answer' ends with 'x\\n####  ', expected '#### <number>'",
        ),
        ({"question": "q"}, "missing_field: 'answer' is missing; found ['question']"),
        ({"question": "q", "answer": 72}, "wrong_type: 'answer' is a JSON number, expected a string"),
        ({"question": None, "answer": "#### 1"}, "wrong_type: 'question' is a JSON null, expected a string"),
    ],
)
def test_each_fault_of_a_field_is_named(record: Any, expected: str) -> None:
    with pytest.raises(Rejected) as caught:
        conform(record, HERE)
    assert str(caught.value) == expected


def test_an_answer_without_a_solution_is_still_an_answer() -> None:
    found = conform({"question": "q", "answer": "#### 1"}, HERE)
    assert (found.ground_truth, found.extra_info) == ("1", '{"solution":""}')
