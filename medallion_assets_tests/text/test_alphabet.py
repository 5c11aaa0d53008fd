# ruff: noqa: RUF001 (other alphabets are what it is about)
"""Laws of the alphabet: forms of one character are one, signs of unspaced scripts are words of their own."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.text.alphabet import ALONE, BASIC_PLANE, JOINED, SEPARATOR, alphabet, mixed

PLAIN, FULL = alphabet(symbols=False), alphabet(symbols=True)
CHARACTERS = st.characters(exclude_categories=["Cs"])


def classes(text: str, *, symbols: bool) -> set[int]:
    return {alphabet(symbols=symbols).classify(character)[0] for character in text}


@pytest.mark.parametrize("symbols", [False, True])
def test_the_tables_hold_what_each_character_is(symbols: bool) -> None:
    known = alphabet(symbols=symbols)
    classes, codes = zip(*(known.classify(chr(code)) for code in range(BASIC_PLANE)), strict=True)
    assert known.classes.tolist() == list(classes)
    assert np.array_equal(known.values, mixed(np.array(codes)))


@given(CHARACTERS, st.booleans())
def test_a_folded_character_folds_to_itself(character: str, symbols: bool) -> None:
    found, code = alphabet(symbols=symbols).classify(character)
    assert alphabet(symbols=symbols).classify(chr(code)) == (found, code)


@given(CHARACTERS)
def test_symbols_change_separators_only(character: str) -> None:
    (plain, code), (full, same) = PLAIN.classify(character), FULL.classify(character)
    assert code == same
    assert full == plain or (plain, full) == (SEPARATOR, ALONE)


@given(CHARACTERS)
def test_letters_digits_and_marks_are_in_words_and_nothing_else_is(character: str) -> None:
    # Compatibility forms of what is no letter may be letters: a radical is its ideograph, a circled A an a.
    forms = {character, unicodedata.normalize("NFKC", character).lower()}
    in_words = {form for form in forms if len(form) == 1 and unicodedata.category(form)[0] in "LNM"}
    assert (PLAIN.classify(character)[0] != SEPARATOR) == bool(in_words)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A", "a"),
        ("ａ", "a"),
        ("Ａ", "a"),
        ("７", "7"),
        ("ｶ", "カ"),
        ("＋", "+"),
        ("Ω", "ω"),
        ("ſ", "s"),
        ("Ⓐ", "a"),
    ],
)
def test_case_and_width_are_no_difference(one: str, other: str) -> None:
    assert FULL.classify(one) == FULL.classify(other)


@pytest.mark.parametrize(("one", "other"), [("İ", "i"), ("ß", "s"), ("é", "e"), ("1", "l"), ("-", "–")])
def test_other_characters_stay_others(one: str, other: str) -> None:
    assert FULL.classify(one) != FULL.classify(other)


@pytest.mark.parametrize(
    "text", ["你好々〇", "ひらがなカタカナｱﾞ", "ภาษาไทย่", "ພາສາລາວ", "ភាសាខ្មែរ", "မြန်မာ", "ㄅㄆ", "𠀋"]
)
def test_signs_of_unspaced_scripts_are_words_of_their_own(text: str) -> None:
    assert classes(text, symbols=False) == {ALONE}


@pytest.mark.parametrize(
    "text", ["abc", "Ünïcödé", "e\u0301", "한국어", "हिन्दी", "עִבְרִית", "العربية", "٣", "x²", "𝒳"]
)
def test_other_letters_digits_and_marks_join(text: str) -> None:
    assert classes(text, symbols=False) == {JOINED}


def test_operators_are_words_only_among_symbols_and_prose_punctuation_never() -> None:
    assert classes("+-*/=<>()[]{}@#$%^&_|~\\€×≤→😀", symbols=True) == {ALONE}
    assert classes("+-*/=<>()[]{}@#$%^&_|~\\€×≤→😀", symbols=False) == {SEPARATOR}
    assert classes(".,;:!?'\"` \t\n\u00a0\u200b\u2028\0„“–。、", symbols=True) == {SEPARATOR}


def test_mixing_keeps_different_values_apart() -> None:
    values = np.concatenate([np.arange(1 << 16), np.uint64(1) << np.arange(64, dtype=np.uint64)])
    assert len(np.unique(mixed(values))) == len(np.unique(values))
