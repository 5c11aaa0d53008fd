"""Laws of the alpaca_eval format."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.conform.delivery import Options
from medallion_assets.conform.formats.alpaca_eval import conform
from medallion_assets.records import Rejected
from medallion_assets.units import Message, Preference
from medallion_assets_tests.conform.rows import HERE

KEEP = replace(HERE, options=Options(ties="keep"))


def record(preference: Any) -> dict[str, Any]:
    return {
        "instruction": "q",
        "output_1": "a",
        "output_2": "b",
        "preference": preference,
        "annotator": "gpt",
    }


def judged(chosen: str, rejected: str, margin: float) -> Preference:
    sides = ([Message("assistant", side)] for side in (chosen, rejected))
    return Preference([Message("user", "q")], *sides, margin=margin)


@pytest.mark.parametrize(
    ("preference", "expected"),
    [(1, ("a", "b", 1.0)), (1.25, ("a", "b", 0.5)), (1.75, ("b", "a", 0.5)), (2.0, ("b", "a", 1.0))],
)
def test_the_preference_leans_to_one_output(preference: float, expected: tuple[str, str, float]) -> None:
    assert conform(record(preference), HERE) == judged(*expected)


@given(st.floats(1, 2))
def test_the_margin_is_a_share_and_swapping_keeps_it(preference: float) -> None:
    margins = [conform(record(each), KEEP).margin for each in (preference, 3 - preference)]
    assert margins[0] == pytest.approx(margins[1])
    assert margins[0] is not None
    assert 0 <= margins[0] <= 1


@pytest.mark.parametrize("preference", [1.5, 0])
def test_an_undecided_annotator_makes_a_tie(preference: float) -> None:
    with pytest.raises(Rejected, match="tie: 'preference' is undecided"):
        conform(record(preference), HERE)
    assert conform(record(preference), KEEP) == judged("a", "b", 0.0)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (record(None), "unanswered: 'preference' is missing or null: the annotator gave none"),
        (record(2.5), "invalid_preference: 'preference' is 2.5, expected 1 to 2"),
        (record(-1), "invalid_preference: 'preference' is -1, expected 1 to 2"),
        (record("second"), "wrong_type: 'preference' is 'second', expected a finite number"),
        ({**record(1), "output_2": None}, "wrong_type: 'output_2' is a JSON null, expected a string"),
    ],
)
def test_each_fault_is_named(row: Any, expected: str) -> None:
    with pytest.raises(Rejected) as caught:
        conform(row, HERE)
    assert str(caught.value) == expected
