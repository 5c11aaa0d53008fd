"""Laws of the verl format."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from medallion_assets.conform.delivery import Options
from medallion_assets.conform.formats.verl import conform
from medallion_assets.records import Rejected
from medallion_assets.units import Message, RlPrompt
from medallion_assets_tests.conform.rows import HERE


def row(**other: Any) -> dict[str, Any]:
    return {
        "data_source": "openai/gsm8k",
        "prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}],
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": "72"},
        "extra_info": {"split": "train", "index": 0},
        **other,
    }


def test_a_row_is_a_prompt_with_its_truth() -> None:
    assert conform(row(), HERE) == RlPrompt(
        [Message("system", "s"), Message("user", "q")],
        ground_truth="72",
        verifier="gsm8k",
        data_source="openai/gsm8k",
        ability="math",
        extra_info='{"index":0,"split":"train"}',
    )


def test_a_prompt_as_text_is_the_users() -> None:
    assert conform(row(prompt="q"), HERE).prompt == [Message("user", "q")]


@pytest.mark.parametrize(
    ("truth", "kept"),
    [({"b": [1], "a": None}, '{"a":null,"b":[1]}'), (72, "72"), (True, "true"), ("72", "72"), (None, None)],
)
def test_a_truth_of_any_shape_is_kept_as_text(truth: Any, kept: str | None) -> None:
    assert conform(row(reward_model={"ground_truth": truth}), HERE).ground_truth == kept


@pytest.mark.parametrize(
    ("data_source", "option", "verifier"),
    [
        ("openai/gsm8k", None, "gsm8k"),
        ("gsm8k", "mine", "gsm8k"),
        ("lighteval/MATH", None, "math"),
        ("DigitalLearningGmbH/MATH-lighteval", None, "math"),
        ("numina_olympiads", "mine", "math"),
        ("aime_2024", None, "math"),
        ("kk_logic", "mine", "mine"),
        ("kk_logic", None, "kk_logic"),
    ],
)
def test_the_data_source_names_its_verifier(data_source: str, option: str | None, verifier: str) -> None:
    delivery = replace(HERE, options=Options(verifier=option))
    assert conform(row(data_source=data_source), delivery).verifier == verifier


@pytest.mark.parametrize("absent", ["ability", "extra_info"])
def test_what_else_a_row_says_is_optional(absent: str) -> None:
    less = {key: value for key, value in row().items() if key != absent}
    assert conform(less, HERE) == conform(row(**{absent: None}), HERE)
    assert getattr(conform(less, HERE), absent) is None


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({"data_source": None}, "wrong_type: 'data_source' is a JSON null, expected a string"),
        ({"reward_model": None}, "wrong_type: 'reward_model' is a JSON null, expected an object"),
        (
            {"prompt": 5},
            "wrong_type: 'prompt' is a JSON number, expected a string, a turn or an array of turns",
        ),
        ({"prompt": ["q"]}, "wrong_type: a turn of 'prompt' is a JSON string, expected an object"),
    ],
)
def test_each_fault_of_a_field_is_named(other: dict[str, Any], expected: str) -> None:
    with pytest.raises(Rejected) as caught:
        conform(row(**other), HERE)
    assert str(caught.value) == expected


@pytest.mark.parametrize("absent", ["data_source", "prompt", "reward_model"])
def test_a_missing_field_is_named(absent: str) -> None:
    less = {key: value for key, value in row().items() if key != absent}
    with pytest.raises(Rejected) as caught:
        conform(less, HERE)
    assert str(caught.value) == f"missing_field: {absent!r} is missing; found {sorted(less)}"
