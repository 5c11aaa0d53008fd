"""Laws of the quality gates' configuration."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from medallion_assets.config.quality import QualityConfig, merged, quality_of
from medallion_assets.curate.gates.quality.thresholds import DEFAULT_QUALITY

SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "min_prompt_characters": st.none() | st.integers(0, 9),
        "max_answer_characters": st.none() | st.integers(0, 9),
        "max_repetition": st.none() | st.floats(0, 1),
        "max_mojibake": st.none() | st.floats(0, 1),
        "truncated_answers": st.sampled_from(["keep", "reject"]),
        "refusals": st.none() | st.lists(st.sampled_from(["no", "never"])),
        "languages": st.none() | st.lists(st.sampled_from(["en", "zh"]), min_size=1),
    },
)


def test_nothing_set_is_the_default() -> None:
    assert quality_of(QualityConfig()) == DEFAULT_QUALITY


def test_every_threshold_has_its_key_with_a_description() -> None:
    described = [name for name, field in QualityConfig.model_fields.items() if field.description]
    assert described == list(asdict(DEFAULT_QUALITY))


@given(SETTINGS, SETTINGS)
def test_what_a_source_sets_goes_before_the_defaults(
    common: dict[str, object], own: dict[str, object]
) -> None:
    found = merged(QualityConfig(**common), QualityConfig(**own))
    assert quality_of(found) == quality_of(QualityConfig(**{**common, **own}))


def test_a_source_can_turn_a_default_off() -> None:
    found = merged(QualityConfig(languages=("en",)), QualityConfig(languages=None, max_mojibake=None))
    assert (found.languages, found.max_mojibake) == (None, None)


def test_a_source_without_its_own_has_the_defaults() -> None:
    common = QualityConfig(max_repetition=0.5)
    assert merged(common, None) == common


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_repetition", 1.5),
        ("min_answer_characters", -1),
        ("truncated_answers", True),
        ("refusals", [""]),
        ("languages", []),
        ("max_length", 5),
    ],
)
def test_what_makes_no_sense_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError):
        QualityConfig(**{key: value})


def test_an_unknown_language_names_those_that_are_known() -> None:
    with pytest.raises(
        ValidationError, match="'english' is no language that is told apart; allowed: af, als, am"
    ):
        QualityConfig(languages=("en", "english"))
