"""Laws of the flan_tsv format."""

from __future__ import annotations

from typing import Any

import pytest

from medallion_assets.conform.formats.flan_tsv import COLUMNS, conform
from medallion_assets.records import Rejected
from medallion_assets.units import Conversation, Message
from medallion_assets_tests.conform.rows import HERE


def row(*cells: str) -> dict[str, str]:
    return dict(zip(COLUMNS, cells, strict=True))


def test_the_rationale_comes_before_the_answer() -> None:
    expected = [Message("user", "2 + 2?"), Message("assistant", "Count.\nThe answer is (C).")]
    assert conform(row("2 + 2?", "(C)", "Count."), HERE) == Conversation(expected)


def test_a_spelt_line_feed_is_one() -> None:
    found = conform(row(r"Which?\nOptions:\n(A) 1", "(A)", r"One.\nYes."), HERE)
    assert [message.content for message in found.messages] == [
        "Which?\nOptions:\n(A) 1",
        "One.\nYes.\nThe answer is (A).",
    ]


def test_other_backslashes_are_content() -> None:
    assert conform(row(r"\frac{1}{2} \ \t", "1", ""), HERE).messages[0].content == r"\frac{1}{2} \ \t"


@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column_is_named(column: str) -> None:
    cells: dict[str, Any] = row("q", "a", "r")
    del cells[column]
    with pytest.raises(Rejected) as caught:
        conform(cells, HERE)
    assert str(caught.value) == f"missing_field: '{column}' is missing; found {sorted(cells)}"
