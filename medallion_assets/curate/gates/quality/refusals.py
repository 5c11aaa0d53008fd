"""The phrases of refusals and of a model that speaks of itself; a pipeline may add its own.

Only whole phrases that hardly mean anything else: "I'm sorry" alone is said in many good answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

PHRASES = (
    "as an AI",
    "as an artificial intelligence",
    "as a language model",
    "as a large language model",
    "I am an AI",
    "I'm an AI",
    "I am just an AI",
    "I'm just an AI",
    "I'm sorry, but I am",
    "I'm sorry, but I can't",
    "I'm sorry, but I cannot",
    "I'm sorry, but I don't",
    "I'm sorry, but I'm",
    "I apologize, but I can't",
    "I apologize, but I cannot",
    "I can't assist with",
    "I cannot assist with",
    "I can't fulfill",
    "I cannot fulfill",
    "I can't help you with",
    "I cannot help you with",
    "作为AI",
    "作为一个AI",
    "作为一名AI",
    "作为一款AI",
    "作为人工智能",
    "作为一个人工智能",
    "作为一名人工智能",
    "作为一款人工智能",
    "作为语言模型",
    "作为一个语言模型",
)


def pattern_of(own: Iterable[str]) -> re.Pattern[str]:
    """Any of the phrases, as whole words, in any case; apostrophes are straight."""
    phrases = (re.escape(phrase.replace("\u2019", "'")) for phrase in (*PHRASES, *own))
    return re.compile(f"(?<![a-z])(?:{'|'.join(phrases)})(?![a-z])", re.IGNORECASE)
