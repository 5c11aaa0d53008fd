"""Texts that others chose, made harmless to whatever shows them as text."""

from __future__ import annotations


def inert(text: str) -> str:
    """With whatever steers a reader escaped: control characters, line ends, invisible and other marks."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii") for c in text
    )
