"""Laws of text cleaning."""

from __future__ import annotations

import hashlib
import sys
import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.curate.clean import VERSION, clean_text, may_be_cleaned

ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
# Arbitrary text, thick with what cleaning is about.
SIGNS = (
    "\r\n\t \x00\x0b\x0c\x1f\x7f\x80\x85\x8d\xa0\xad\u0301\u200b\u200d\u200e\u2028\u202e\u2066\ufeff\uffff"
)
TROUBLE = st.sampled_from(
    [*SIGNS, "\r\n", "e\u0301", ENGLAND, "\U0001f3f4", "\U000e0067", "\U000e007f", "\U0001ffff", "\ud800"]
)
TEXTS = st.lists(st.text(max_size=4) | st.integers(0, sys.maxunicode).map(chr) | TROUBLE, max_size=12).map(
    "".join
)
VISIBLE = st.text(st.characters(categories=["L", "M", "N", "P", "S"]))
EVERY_CHARACTER = [chr(code) for code in range(sys.maxunicode + 1)]


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
def test_nothing_but_a_line_feed_breaks_a_line(text: str) -> None:
    cleaned = f"{clean_text(text)}."
    assert cleaned.splitlines() == cleaned.split("\n")


@given(TEXTS)
def test_clean_text_can_be_written_as_utf8(text: str) -> None:
    assert clean_text(text).encode().decode() == clean_text(text)


@given(TEXTS)
def test_clean_text_neither_begins_nor_ends_with_space(text: str) -> None:
    assert clean_text(text) == clean_text(text).strip()


@given(TEXTS)
def test_equivalent_spellings_of_unicode_are_one_text(text: str) -> None:
    assert clean_text(unicodedata.normalize("NFD", text)) == clean_text(text)


@given(VISIBLE)
def test_what_can_be_seen_is_kept(text: str) -> None:
    assert clean_text(text) == unicodedata.normalize("NFC", text)


@given(st.text(st.sampled_from("ab \t\n"), max_size=30))
def test_space_within_a_text_is_kept(text: str) -> None:
    assert clean_text(text) == text.strip()


@given(TEXTS, TEXTS)
def test_a_text_is_cleaned_as_its_parts_are(first: str, second: str) -> None:
    assert clean_text(f"{first}ab{second}") == clean_text(f"{first}a") + clean_text(f"b{second}")


def test_of_what_is_invisible_only_what_means_something_is_kept() -> None:
    formats = [character for character in EVERY_CHARACTER if unicodedata.category(character) == "Cf"]
    dropped = [ord(character) for character in formats if clean_text(f"a{character}b") == "ab"]
    of_direction = [*range(0x202A, 0x202F), *range(0x2066, 0x2070)]
    of_layout = [0xAD, 0x200B, 0x2060, 0xFEFF, *range(0xFFF9, 0xFFFC)]
    assert dropped == sorted([*of_direction, *of_layout, 0xE0001, *range(0xE0020, 0xE0080)])


def test_what_is_no_character_stays_visible_as_damage() -> None:
    broken = [c for c in EVERY_CHARACTER if clean_text(f"a{c}b") == "a\ufffdb" and c != "\ufffd"]
    assert len(broken) == 2048 + 66  # surrogates, and Unicode's noncharacters


def test_another_cleaning_has_another_version() -> None:
    """By the blocks that cleaning is about, whatever else a Unicode version adds."""
    blocks = [*range(0x100), *range(0x2000, 0x2070), *range(0xFDD0, 0xFE10), *range(0xFFF0, 0x10000)]
    outcome = "|".join(clean_text(f"a{chr(code)}b") for code in [*blocks, *range(0xE0000, 0xE0080)])
    assert (VERSION, hashlib.sha256(outcome.encode()).hexdigest()[:16]) == (2, "cc99ab185f92179c")


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a\r\nb\rc\n", "a\nb\nc"),
        ("\ufeff a\x00b\x1b[0m ", "ab[0m"),
        ("if x:\n\tpass\n\n    # end  ", "if x:\n\tpass\n\n    # end"),
        ("two  spaces  \nbreak a line in Markdown", "two  spaces  \nbreak a line in Markdown"),
        ("cafe\u0301", "caf\u00e9"),
        ("\u00a0\u2003", ""),
        ("ﬁ ① ™", "ﬁ ① ™"),
        ("one\x0btwo\x0cthree\u2028four\u2029five", "one\ntwo\nthree\nfour\nfive"),
        ("four stars \x96 wow\x85", "four stars \u2013 wow\u2026"),
        ("less \u200bis\u2060 more\xad", "less is more"),
        ("access\u202etxt.exe\u202c", "accesstxt.exe"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f468\u200d\U0001f469\u200d\U0001f467"),
        (f"go {ENGLAND}!", f"go {ENGLAND}!"),
        ("a\U000e0068\U000e0069b", "ab"),
        ("\U0001f3f4" + 40 * "\U000e0061" + "\U000e007f", "\U0001f3f4"),
        ("a\ud800b\uffffc", "a\ufffdb\ufffdc"),
    ],
)
def test_cleaning_by_example(text: str, cleaned: str) -> None:
    assert clean_text(text) == cleaned


def left_alone(texts: list[str]) -> list[str]:
    needed = may_be_cleaned(pa.array(texts, pa.string())).tolist()
    return [text for text, touched in zip(texts, needed, strict=True) if not touched]


@given(st.lists(TEXTS, max_size=5))
def test_what_needs_no_cleaning_is_clean(given_texts: list[str]) -> None:
    left = left_alone([text.encode(errors="replace").decode() for text in given_texts])
    assert [clean_text(text) for text in left] == left


def test_no_character_that_is_cleaned_is_overlooked_wherever_it_stands() -> None:
    characters = [each for each in EVERY_CHARACTER if not 0xD800 <= ord(each) < 0xE000]
    for text in ("{}a", "a{}b\u0301", "a{}"):
        left = left_alone([text.format(each) for each in characters])
        assert [clean_text(each) for each in left] == left
    assert {"\u00e9", "\u00df", "\u2019", "\u2014"} < set(left_alone(characters))
