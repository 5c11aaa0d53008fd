"""Laws of the ultrafeedback format."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from medallion_assets.conform.delivery import Options
from medallion_assets.conform.formats.ultrafeedback import conform
from medallion_assets.records import Rejected
from medallion_assets.units import Message, Preference
from medallion_assets_tests.conform.rows import HERE


def completion(response: str, *ratings: str | None, **other: Any) -> dict[str, Any]:
    aspects = ("helpfulness", "honesty", "instruction_following", "truthfulness")
    annotations = {
        aspect: {"Type": ["1"], "Rating": rating, "Rationale": "…"}
        for aspect, rating in zip(aspects, ratings, strict=False)
    }
    return {"model": "m", "response": response, "annotations": annotations, **other}


def record(*completions: dict[str, Any]) -> dict[str, Any]:
    return {"source": "sharegpt", "instruction": "q", "models": ["m"], "completions": list(completions)}


def test_the_best_mean_of_ratings_is_set_against_the_worst() -> None:
    row = record(completion("a", "3", "4"), completion("b", "5", "5"), completion("c", "1", "2"))
    assert conform(row, HERE) == Preference(
        [Message("user", "q")],
        [Message("assistant", "b")],
        [Message("assistant", "c")],
        chosen_score=5.0,
        rejected_score=1.5,
        margin=3.5,
    )


def test_an_aspect_without_a_rating_does_not_count() -> None:
    row = record(completion("a", "4", "N/A", None), completion("b", "3", "2", "4"))
    found = conform(row, HERE)
    assert (found.chosen_score, found.rejected_score) == (4.0, 3.0)


def test_the_overall_score_speaks_only_where_no_aspect_does() -> None:
    row = record(completion("a", "2", overall_score=10), completion("b", "N/A", overall_score=7.5))
    assert conform(row, HERE).chosen == [Message("assistant", "b")]


def test_equal_best_and_worst_are_a_tie() -> None:
    row = record(completion("a", "3", "4"), completion("b", "4", "3"))
    with pytest.raises(Rejected, match=r"tie: 2 answers have the score 3\.5"):
        conform(row, HERE)
    kept = conform(row, replace(HERE, options=Options(ties="keep")))
    assert (kept.chosen, kept.margin) == ([Message("assistant", "a")], 0.0)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"instruction": "q"}, "missing_field: 'completions' is missing; found ['instruction']"),
        (record(), "too_few_answers: 0 of 0 answers have a score, expected 2"),
        (record(completion("a", "5"), completion("b")), "too_few_answers: 1 of 2 answers have a score"),
        (
            record(completion("a", "good"), completion("b", "1")),
            "wrong_type: the rating of helpfulness is 'good', expected a finite number",
        ),
        (record({"response": None}), "wrong_type: 'response' is a JSON null, expected a string"),
        (
            record({"response": "a", "annotations": {"honesty": "5"}}),
            "wrong_type: honesty is a JSON string, expected an object",
        ),
    ],
)
def test_each_fault_is_named(row: Any, expected: str) -> None:
    with pytest.raises(Rejected) as caught:
        conform(row, HERE)
    assert str(caught.value).startswith(expected)
