"""Well-known data sets by the names that trainers give them, and what rewards their answers.

Belongs here: names. Does not: verification itself (curate/verify.py).
"""

from __future__ import annotations

# Those for which verl's own reward function compares mathematics.
MATH_SOURCES = {
    "lighteval/MATH",
    "DigitalLearningGmbH/MATH-lighteval",
    "HuggingFaceH4/MATH-500",
    "math",
    "math_dapo",
    "math_dapo_reasoning",
    "numina_aops_forum",
    "numina_synthetic_math",
    "numina_amc_aime",
    "numina_synthetic_amc",
    "numina_cn_k12",
    "numina_olympiads",
}


def verifier_for(data_source: str) -> str | None:
    """As verl dispatches its rewards: by the data source's name."""
    if data_source.lower().endswith("gsm8k"):
        return "gsm8k"
    return "math" if data_source in MATH_SOURCES or data_source.startswith("aime") else None
