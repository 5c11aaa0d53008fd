"""The configuration of the quality gates: defaults for all sources, and each source's own.

Belongs here: the keys and how a source's override the defaults. Does not: what the gates measure
(curate/gates/quality/).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from medallion_assets.curate.gates.quality.thresholds import DEFAULT_QUALITY, Quality, Verdict
from medallion_assets.curate.language import LANGUAGES


def _known(language: str) -> str:
    if language not in LANGUAGES:
        raise ValueError(f"{language!r} is no language that is told apart; allowed: {', '.join(LANGUAGES)}")
    return language


Characters = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Phrase = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Language = Annotated[str, AfterValidator(_known)]


class QualityConfig(BaseModel):
    """What a record must come up to. Answers are what is learned: of preferences, the chosen side."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_prompt_characters: Characters | None = Field(
        default=DEFAULT_QUALITY.min_prompt_characters, description="Least of all user turns together."
    )
    max_prompt_characters: Characters | None = Field(
        default=DEFAULT_QUALITY.max_prompt_characters, description="Most of all user turns together."
    )
    min_answer_characters: Characters | None = Field(
        default=DEFAULT_QUALITY.min_answer_characters, description="Least of each answer."
    )
    max_answer_characters: Characters | None = Field(
        default=DEFAULT_QUALITY.max_answer_characters, description="Most of each answer."
    )
    max_repetition: Share | None = Field(
        default=DEFAULT_QUALITY.max_repetition,
        description="Share of an answer's runs of words that it had before.",
    )
    max_replacement_characters: Share | None = Field(
        default=DEFAULT_QUALITY.max_replacement_characters,
        description="Share of a text's characters (U+FFFD).",
    )
    max_mojibake: Share | None = Field(
        default=DEFAULT_QUALITY.max_mojibake,
        description="Misread sequences (Ã© for é) in a text, to its characters.",
    )
    truncated_answers: Verdict = Field(
        default=DEFAULT_QUALITY.truncated_answers,
        description="Answers that stop in a sentence or a code block; rollouts that ran out of length.",
    )
    prompt_equals_answer: Verdict = Field(
        default=DEFAULT_QUALITY.prompt_equals_answer,
        description="A first answer that only repeats its prompt.",
    )
    refusals: tuple[Phrase, ...] | None = Field(
        default=DEFAULT_QUALITY.refusals,
        description="Refuse answers with a refusal's phrase: the built-in ones and these; [] = those only.",
    )
    languages: Annotated[tuple[Language, ...], Field(min_length=1)] | None = Field(
        default=DEFAULT_QUALITY.languages,
        description="Languages that answers (RL prompts: prompts) may be in.",
    )
    min_language_letters: Characters = Field(
        default=DEFAULT_QUALITY.min_language_letters,
        description="Letters of prose, without code and formulas, from which a language is judged.",
    )


def merged(defaults: QualityConfig, own: QualityConfig | None) -> QualityConfig:
    """The defaults, but for the keys that a source sets itself: null too, which turns a gate off."""
    if own is None:
        return defaults
    return defaults.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})


def quality_of(config: QualityConfig) -> Quality:
    return Quality(**dict(config))
