"""Which characters make words: letters, digits and marks join, and scripts without spaces count each sign.

Belongs here: the class and the folded value of every character. Does not: finding words (words.py).
A change here changes every fingerprint and every match.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

SEPARATOR, JOINED, ALONE = 0, 1, 2
OTHER, LETTER, SIGN, SYMBOL = range(4)
# The class of each kind of character, without symbols and with them.
WORD_CLASSES = np.array([SEPARATOR, JOINED, ALONE, SEPARATOR], np.uint8)
ALL_CLASSES = np.array([SEPARATOR, JOINED, ALONE, ALONE], np.uint8)
BASIC_PLANE = 1 << 16
# Han, kana, bopomofo, Thai, Lao, Khmer, Burmese: written without spaces, so each sign is a word.
UNSPACED = (
    (0x3400, 0x9FFF),
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x2E80, 0x2FDF),
    (0x3005, 0x3007),
    (0x3040, 0x312F),
    (0x31A0, 0x31BF),
    (0x31F0, 0x31FF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
# Ideographs, Hangul syllables, surrogates and private use: most of the plane, each its own lower case.
UNFOLDED = ((0x3400, 0x9FFF), (0xAC00, 0xF8FF))
# What sets sentences apart and may come and go; other signs (operators, brackets) carry meaning.
PROSE_PUNCTUATION = frozenset(".,;:!?'\"`")


@dataclass(frozen=True)
class Alphabet:
    """By code point of the basic plane: its class, and the value that it adds to a word's hash.

    With `symbols`, operators and brackets are words too, so that "12 - 5" is not "12 + 5".
    """

    symbols: bool
    classes: Array
    values: Array

    @cached_property
    def ascii_classes(self) -> bytes:
        """The classes as bytes.translate takes them, of ASCII only."""
        return self.classes[:256].tobytes()

    def classify(self, character: str) -> tuple[int, int]:
        """Class and folded code point of any character."""
        folded = _folded(character)
        kind = _kind(folded)
        if kind == LETTER and any(first <= ord(folded) <= last for first, last in UNSPACED):
            kind = SIGN
        return int((ALL_CLASSES if self.symbols else WORD_CLASSES)[kind]), ord(folded)


@cache
def alphabet(*, symbols: bool) -> Alphabet:
    kinds, folded = _basic_plane()
    return Alphabet(symbols, (ALL_CLASSES if symbols else WORD_CLASSES)[kinds], mixed(folded))


@cache
def _basic_plane() -> tuple[Array, Array]:
    """The kind of each character, and what it is folded to; some 50 ms, so made once for all alphabets."""
    folded = np.arange(BASIC_PLANE, dtype=np.uint64)
    for code in np.flatnonzero(~_within(folded, UNFOLDED)).tolist():
        folded[code] = ord(_folded(chr(code)))
    kinds = np.array([_kind(chr(code)) for code in folded.tolist()], np.uint8)
    kinds[(kinds == LETTER) & _within(folded, UNSPACED)] = SIGN
    return kinds, folded


def _within(codes: Array, blocks: tuple[tuple[int, int], ...]) -> Array:
    found = np.zeros(len(codes), bool)
    for first, last in blocks:
        found |= (codes >= first) & (codes <= last)
    return found


def _kind(character: str) -> int:
    """LETTER, SYMBOL or OTHER: whether a letter is a sign, its block says."""
    category = unicodedata.category(character)
    if category[0] in "LNM":
        return LETTER
    return SYMBOL if _is_symbol(character, category) else OTHER


def _folded(character: str) -> str:
    """Lower case, and full width as half: a form of one character, or the character itself."""
    folded = unicodedata.normalize("NFKC", character).lower()
    return folded if len(folded) == 1 else character


def _is_symbol(character: str, category: str) -> bool:
    if character in PROSE_PUNCTUATION:
        return False
    return category[0] == "S" or (category[0] == "P" and character.isascii())


def mixed(values: Array) -> Array:
    """Spreads 64-bit values so that every bit of the result depends on every bit given (MurmurHash3)."""
    values = values.astype(np.uint64)
    values ^= values >> np.uint64(33)
    values *= np.uint64(0xFF51AFD7ED558CCD)
    values ^= values >> np.uint64(33)
    values *= np.uint64(0xC4CEB9FE1A85EC53)
    values ^= values >> np.uint64(33)
    return values
