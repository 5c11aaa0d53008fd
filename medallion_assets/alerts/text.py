"""Text from outside, made harmless: one bounded line without control characters.

Belongs here: cleaning that every channel needs. Does not: the escapes of a channel (render.py).
"""

from __future__ import annotations

import unicodedata

# Control and format characters (those that turn the direction of text around among them), lone surrogates,
# private and unassigned ones, and separators of lines.
UNSHOWN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def inert(text: str, limit: int) -> str:
    """One line of at most `limit` characters; what is left out shows as an ellipsis."""
    line = text[: 4 * limit].replace("\t", " ")
    shown = "".join(" " if unicodedata.category(character) in UNSHOWN else character for character in line)
    words = " ".join(shown.split())
    whole = len(words) <= limit and len(text) <= 4 * limit
    return words if whole else words[: limit - 1].rstrip() + "…"
