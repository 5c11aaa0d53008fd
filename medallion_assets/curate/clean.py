"""Text cleaning, defined once. It decides record ids: a change here rebuilds all of silver.

Belongs here: what is done to every text of every unit. Does not: judgement (gates.py).
"""

from __future__ import annotations

import re
import unicodedata

LINE_ENDS = re.compile("\r\n?")
# C0 and C1 controls but tab and line feed, and the byte order mark: invisible, and poison to tokenizers.
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff]")


def clean_text(text: str) -> str:
    """NFC, LF line ends, no control characters, no space around; inner space is content (code, tables)."""
    if "\r" in text:
        text = LINE_ENDS.sub("\n", text)
    text = CONTROLS.sub("", text)
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return text.strip()
