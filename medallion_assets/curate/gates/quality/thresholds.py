"""The thresholds of the quality gates, as plain values. None turns a gate off; 0 is a threshold.

Belongs here: the names, types and defaults. Does not: YAML (config/quality.py), or what is measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["keep", "reject"]


@dataclass(frozen=True)
class Quality:
    """By default only what is broken falls; all that is a matter of taste is off."""

    min_prompt_characters: int | None = None
    max_prompt_characters: int | None = None
    min_answer_characters: int | None = None
    max_answer_characters: int | None = None
    max_repetition: float | None = None
    max_replacement_characters: float | None = 0.01
    max_mojibake: float | None = 0.01
    truncated_answers: Verdict = "keep"
    prompt_equals_answer: Verdict = "reject"
    refusals: tuple[str, ...] | None = None
    languages: tuple[str, ...] | None = None
    min_language_letters: int = 50


DEFAULT_QUALITY = Quality()
