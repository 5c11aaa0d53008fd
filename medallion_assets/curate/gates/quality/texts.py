"""Quality gates of one text: each measures one thing and refuses what passes its threshold.

Belongs here: the measures and their reason codes. Does not: which texts of a record are asked (records.py),
or defaults (thresholds.py).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from ftfy import fix_encoding
from ftfy.badness import badness

from medallion_assets.curate.language import language_of
from medallion_assets.records import Rejected
from medallion_assets.text.alphabet import UNSPACED

REPLACEMENT = "\ufffd"
# Shorter texts repeat themselves by nature: a verdict, a chorus, an address.
REPETITION_MIN_WORDS = 50
REPETITION_RUN_WORDS = 10
SIGNS = "".join(f"{chr(first)}-{chr(last)}" for first, last in UNSPACED)
WORD = re.compile(f"[{SIGNS}]|[^\\W{SIGNS}]+")
FENCE = re.compile(r"^[ \t>]*(?P<marks>`{3,}|~{3,})(?P<rest>[^`\n]*)$", re.MULTILINE)
LIST_ITEM = re.compile(r"\s*(?:[-*•·+#|>]|\d+[.)]|[A-Za-z][.)] )")
# Three letters before the stop, since initials, numbers and "Dr." end no sentence.
SENTENCE_END = re.compile(r"(?<=[^\W\d_]{3}[.!?])[\")'”’]* +(?=[\"(\'“‘]?[^\W\d_a-z])|[。！？]")
MIN_CUT_WORDS, MIN_CUT_SIGNS = 4, 12
REFUSALS = tuple(
    """as an ai | as an artificial intelligence | as a language model | as a large language model | i'm just an ai
    | i am just an ai | i'm an ai | i am an ai | i'm sorry, but i can't | i'm sorry, but i cannot | i'm sorry, but i'm
    | i'm sorry, but i am | i'm sorry, but i don't | i apologize, but i can't | i apologize, but i cannot
    | i can't assist with | i cannot assist with | i can't fulfill | i cannot fulfill | i can't help you with
    | i cannot help you with | 作为ai | 作为一个ai | 作为一名ai | 作为一款ai | 作为人工智能 | 作为一个人工智能
    | 作为一名人工智能 | 作为一款人工智能 | 作为语言模型 | 作为一个语言模型""".split("|")
)


def too_short(text: str, what: str, least: int) -> Rejected | None:
    if len(text) < least:
        return Rejected(f"{what}_too_short", f"{len(text)} characters; at least {least}")
    return None


def too_long(text: str, what: str, most: int) -> Rejected | None:
    if len(text) > most:
        return Rejected(f"{what}_too_long", f"{len(text)} characters; at most {most}")
    return None
