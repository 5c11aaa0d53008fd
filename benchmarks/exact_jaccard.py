"""What near-duplicates are, by a plain second implementation: every pair of texts, compared in full.

Belongs here: words by regular expressions, shingles as strings, exact similarity. Does not: any code of the
project's own. For thousands of texts, not for millions.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import chain

import regex

SHINGLE_WORDS = 5
# Signs of scripts that are written without spaces, then words, then what carries meaning by itself.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
WORD = regex.compile(
    rf"[{UNSPACED}&&[\p{{L}}\p{{N}}\p{{M}}]]|[[\p{{L}}\p{{N}}\p{{M}}]--[{UNSPACED}]]+"
    r"|\p{S}(?<!`)|[\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e--.,;:!?'\"`]",
    regex.VERSION1,
)
PLAIN_WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """Ours: lower case, half width; operators and brackets are words, prose punctuation is not."""
    return WORD.findall("".join(map(_folded, text)))


def plain_words(text: str) -> list[str]:
    """The peers': runs of letters, digits and underscores in lower case."""
    return PLAIN_WORD.findall(text.lower())


@cache
def _folded(character: str) -> str:
    folded = unicodedata.normalize("NFKC", character).lower()
    return folded if len(folded) == 1 else character


def shingles(text: str, tokenize: Callable[[str], list[str]]) -> frozenset[str]:
    found = tokenize(text)
    runs = range(max(1, len(found) - SHINGLE_WORDS + 1)) if found else range(0)
    return frozenset(" ".join(found[start : start + SHINGLE_WORDS]) for start in runs)


def similar_pairs(sets: Sequence[frozenset[str]], threshold: float) -> Iterator[tuple[int, int, float]]:
    """(earlier, later, Jaccard similarity) of all pairs that reach the threshold."""
    holders: dict[str, list[int]] = defaultdict(list)
    for later, held in enumerate(sets):
        shared = Counter(chain.from_iterable(holders[shingle] for shingle in held))
        for earlier, common in shared.items():
            similarity = common / (len(held) + len(sets[earlier]) - common)
            if similarity >= threshold:
                yield earlier, later, similarity
        for shingle in held:
            holders[shingle].append(later)
