"""Laws of text cleaning."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.curate.clean import clean_text

# Arbitrary text, thick with what cleaning is about.
TROUBLE = st.sampled_from(
    ["\r\n", "\r", "\n", "\t", " ", "\x00", "\x1f", "\x85", "\ufeff", "e\u0301", "\u0301", "\u2028"]
)
TEXTS = st.lists(st.text(max_size=4) | TROUBLE, max_size=12).map("".join)


def is_control(character: str) -> bool:
    return unicodedata.category(character) == "Cc" or character == "\ufeff"


@given(TEXTS)
def test_cleaning_again_changes_nothing(text: str) -> None:
    assert clean_text(clean_text(text)) == clean_text(text)


@given(TEXTS)
def test_clean_text_is_in_normal_form_c(text: str) -> None:
    assert unicodedata.is_normalized("NFC", clean_text(text))


@given(TEXTS)
def test_the_only_control_characters_left_are_tab_and_line_feed(text: str) -> None:
    controls = {character for character in clean_text(text) if unicodedata.category(character) == "Cc"}
    assert controls <= {"\n", "\t"}


@given(TEXTS)
def test_clean_text_neither_begins_nor_ends_with_space(text: str) -> None:
    assert clean_text(text) == clean_text(text).strip()


@given(TEXTS)
def test_equivalent_spellings_of_unicode_are_one_text(text: str) -> None:
    assert clean_text(unicodedata.normalize("NFD", text)) == clean_text(text)


@given(TEXTS)
def test_only_controls_and_space_at_the_ends_are_lost(text: str) -> None:
    kept = "".join(
        c for c in text.replace("\r\n", "\n").replace("\r", "\n") if c in "\n\t" or not is_control(c)
    )
    assert clean_text(text) == unicodedata.normalize("NFC", kept).strip()


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a\r\nb\rc\n", "a\nb\nc"),
        ("\ufeff a\x00b\x1b[0m ", "ab[0m"),
        ("if x:\n\tpass\n\n    # end  ", "if x:\n\tpass\n\n    # end"),
        ("cafe\u0301", "caf\u00e9"),
        ("\u200bzero width stays\u200d", "\u200bzero width stays\u200d"),
        ("\u00a0\u2003", ""),
        ("ﬁ ① ™", "ﬁ ① ™"),
    ],
)
def test_cleaning_by_example(text: str, cleaned: str) -> None:
    assert clean_text(text) == cleaned
