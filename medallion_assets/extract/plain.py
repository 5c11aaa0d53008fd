"""A text as detectors read it: ASCII digits and punctuation at the places where others stand.

Belongs here: other scripts' digits, escapes, ways to write an @. Does not: what is looked for (detectors.py).
Texts stay as long as they were, so that what is found in one reading can be replaced in the other.
"""

from __future__ import annotations

import re
import unicodedata

# JSON inside a string: without this, the n of \n is a letter in front of the number that follows.
_ESCAPE = re.compile(r'\\(?:u([0-9A-Fa-f]{4})|[nrtbf/"])')
# An @ as links and web pages write it.
_WRITTEN_AT = re.compile(r"%40|&#(?:64|x40);", re.IGNORECASE)


class _Plain(dict[int, str]):
    """Each character's ASCII reading, one for one so that offsets hold; filled as characters are met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        digit = unicodedata.decimal(character, None)
        category = unicodedata.category(character)
        if digit is not None:
            plain = str(digit)
        elif category == "Pd" or character == "\N{MINUS SIGN}":
            plain = "-"
        elif category == "Zs":
            plain = " "
        else:
            plain = chr(code - 0xFEE0) if 0xFF01 <= code <= 0xFF5E else character
        self[code] = plain
        return plain


_PLAIN = _Plain()


def plain(text: str) -> str:
    """The text as detectors read it, equally long: ASCII digits and punctuation, escapes undone."""
    if "\\" in text:
        text = _ESCAPE.sub(_unescaped, text)
    if "%" in text or "&" in text:
        text = _WRITTEN_AT.sub(lambda at: _padded("@", len(at[0])), text)
    return text if text.isascii() else text.translate(_PLAIN)


def _unescaped(escape: re.Match[str]) -> str:
    return _padded(chr(int(escape[1], 16)) if escape[1] else "\n", len(escape[0]))


def _padded(character: str, length: int) -> str:
    """As long as what was written: of the word where it is part of one, else blank."""
    if character == "@":
        return "_" * (length - 1) + character
    return (character if character.isalpha() else "\n") * length
