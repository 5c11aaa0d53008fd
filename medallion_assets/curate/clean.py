"""Text cleaning, defined once. It decides record ids: a change here rebuilds all of silver.

Belongs here: what is done to every text of every unit. Does not: judgement (gates/).
What is invisible and means nothing goes. Joiners and direction marks stay, since scripts and emoji need them;
so does space within a text, at line ends too: code, tables and Markdown's line breaks are made of it.
"""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import pyarrow as pa

from medallion_assets.text.alphabet import Array
from medallion_assets.text.buffers import content_of, offsets_of, touched

VERSION = 2  # raised with every change of what follows

LINE_ENDS = re.compile("\r\n?")
# Vertical tab, form feed, line and paragraph separator.
BREAKS = (0x0B, 0x0C, 0x2028, 0x2029)
DROPPED = (
    *range(0x09),
    *range(0x0E, 0x20),
    0x7F,
    0xAD,  # soft hyphen
    0x200B,  # zero width space
    *range(0x202A, 0x202F),  # embed and override direction: a text reads otherwise than it is
    0x2060,  # word joiner
    *range(0x2066, 0x2070),  # isolate direction; deprecated shaping
    0xFEFF,  # byte order mark
    *range(0xFFF9, 0xFFFC),  # annotation
)
# Lone surrogates and code points that are no characters: damage, which stays visible.
BROKEN = (
    *range(0xD800, 0xE000),
    *range(0xFDD0, 0xFDF0),
    *(plane << 16 | low for plane in range(17) for low in (0xFFFE, 0xFFFF)),
)
# C1 controls are Windows-1252 read as Latin-1, as HTML has it too; five of them are nothing there either.
MISREAD = {code: bytes([code]).decode("cp1252", "ignore") for code in range(0x80, 0xA0)}

REPLACED: dict[int, str] = {
    **dict.fromkeys(DROPPED, ""),
    **dict.fromkeys(BREAKS, "\n"),
    **dict.fromkeys(BROKEN, "\ufffd"),
    **MISREAD,
}
ASCII_REPLACED = bytes.maketrans(b"\x0b\x0c", b"\n\n")
ASCII_DROPPED = bytes(code for code in DROPPED if code < 0x80)
TAB, LINE_FEED, FIRST_PRINTABLE, DELETE = 0x09, 0x0A, 0x20, 0x7F
# What may have to be replaced: beyond the basic plane any character, since ranges there make a search
# ten times slower.
SUSPECT = re.compile(
    f"[{''.join(re.escape(chr(code)) for code in REPLACED if code < 0x10000)}\U00010000-\U0010ffff]"
)
# Tag characters carry hidden text, but for those that make a black flag a region's: 🏴󠁧󠁢󠁥󠁮󠁧󠁿.
TAGS = re.compile(
    "(\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f)|[\U000e0000-\U000e007f]"
)


def clean_text(text: str) -> str:
    """NFC, LF line ends, no invisible characters without meaning, no space around."""
    if "\r" in text:
        text = LINE_ENDS.sub("\n", text)
    if text.isascii():  # most texts, in half the time
        return text.encode().translate(ASCII_REPLACED, ASCII_DROPPED).decode().strip()
    if SUSPECT.search(text):
        text = TAGS.sub(r"\1", text).translate(REPLACED)
    return unicodedata.normalize("NFC", text).strip()


def may_be_cleaned(texts: pa.StringArray) -> Array:
    """Which of these clean_text has to look at: bool (texts,). The others it would leave as they are."""
    content, borders = content_of(texts), offsets_of(texts)
    control = (content < FIRST_PRINTABLE) & (content != TAB) & (content != LINE_FEED)
    found = touched(np.flatnonzero(control | (content == DELETE)), borders)
    found |= touched(_unusual(content), borders)
    said = np.flatnonzero(np.diff(borders))
    for edge in (borders[:-1][said], borders[1:][said] - 1):
        found[said] |= content[edge] <= FIRST_PRINTABLE
    return found


def _unusual(content: Array) -> Array:
    """Where characters begin that are neither ASCII nor Latin letters and signs or typographic quotes and
    dashes, as their bytes in UTF-8 tell. Those stay as they are, whatever they stand beside."""
    beyond = np.flatnonzero(content >= 0xC2)
    first, second, third = (content.take(beyond + distance, mode="clip") for distance in range(3))
    letter = (first >= 0xC3) & (first <= 0xCA)  # U+00C0 to U+02BF
    sign = (first == 0xC2) & (second > 0xA0) & (second != 0xAD)  # U+00A1 to U+00BF, less the soft hyphen
    mark = (first == 0xE2) & (second == 0x80) & (third >= 0x90) & (third < 0xA8)  # U+2010 to U+2027
    unusual: Array = beyond[~(letter | sign | mark)]
    return unusual
