"""Laws of the distilabel format."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from medallion_assets.conform.delivery import Options
from medallion_assets.conform.formats.distilabel import conform
from medallion_assets.records import Rejected
from medallion_assets.units import Message, Preference
from medallion_assets_tests.conform.rows import HERE

KEEP = replace(HERE, options=Options(ties="keep"))
RATED: dict[str, Any] = {
    "instruction": "q",
    "generations": ["a", "b", "c"],
    "model_names": ["m", "n", "o"],
    "ratings": [4, 5, 2],
    "distilabel_metadata": {"raw_output_ultra_feedback_0": "…"},
}


def turns(answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": "q"}, {"role": "assistant", "content": answer}]


def pair(better: float | None, worse: float | None, **other: Any) -> dict[str, Any]:
    """What its formatting step adds."""
    sides = {"chosen": turns("b"), "chosen_rating": better, "rejected": turns("c"), "rejected_rating": worse}
    return {**RATED, "prompt": "q", "prompt_id": "7f", **sides, **other}


B_BEATS_C = Preference(
    [Message("user", "q")],
    [Message("assistant", "b")],
    [Message("assistant", "c")],
    chosen_score=5.0,
    rejected_score=2.0,
    margin=3.0,
)


@pytest.mark.parametrize("record", [RATED, pair(5, 2), pair(None, None, chosen=None, rejected=None)])
def test_ratings_and_the_pair_made_of_them_agree(record: dict[str, Any]) -> None:
    assert conform(record, HERE) == B_BEATS_C


def test_a_pair_without_ratings_is_a_pair() -> None:
    found = conform(pair(None, None), HERE)
    assert found == replace(B_BEATS_C, chosen_score=None, rejected_score=None, margin=None)


def test_a_pair_of_equal_ratings_is_a_tie() -> None:
    with pytest.raises(Rejected, match="tie: chosen and rejected have the score 5"):
        conform(pair(5, 5), HERE)
    assert conform(pair(5, 5), KEEP).margin == 0


@pytest.mark.parametrize("hole", [{"ratings": [None, 5, 2]}, {"generations": [None, "b", "c"]}])
def test_what_was_not_generated_or_not_rated_takes_no_part(hole: dict[str, Any]) -> None:
    assert conform({**RATED, "ratings": [5, 5, 2], **hole}, HERE) == B_BEATS_C


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({**RATED, "ratings": None}, "too_few_answers: 0 of 3 answers have a score, expected 2"),
        ({**RATED, "ratings": [5]}, "unequal_lengths: 1 scores for 3 answers"),
        ({**RATED, "ratings": [3, 3, 3]}, "tie: 3 answers have the score 3"),
        ({**RATED, "ratings": "5, 4, 2"}, "wrong_type: 'ratings' is a JSON string, expected an array"),
        ({"instruction": "q"}, "missing_field: 'generations' is missing; found ['instruction']"),
    ],
)
def test_each_fault_is_named(record: Any, expected: str) -> None:
    with pytest.raises(Rejected) as caught:
        conform(record, HERE)
    assert str(caught.value) == expected
