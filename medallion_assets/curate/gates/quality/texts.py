"""Quality gates of one text: each measures one thing, and says why a text falls.

Belongs here: the measures and their reason codes. Does not: which texts of a record are asked (units.py),
or defaults (thresholds.py).
"""

from __future__ import annotations

import re
from collections.abc import Collection

from ftfy import fix_encoding
from ftfy.badness import badness

from medallion_assets.curate.language import language_of
from medallion_assets.records import Rejected
from medallion_assets.text.alphabet import UNSPACED

REPLACEMENT = "\ufffd"
# Every character of UTF-8 that is misread becomes two or more of these; looking for them is ten times faster.
MISREAD = re.compile("[\x80-\u2fff][\x80-\u2fff]")
# Below, even a text without a loop may say most things twice: a schedule, a refrain.
REPETITION_MIN_WORDS = 50
REPETITION_RUN_WORDS = 10
SIGNS = "".join(f"{chr(first)}-{chr(last)}" for first, last in UNSPACED)
WORD = re.compile(f"[{SIGNS}]|[^\\W{SIGNS}]+")

FENCE = re.compile(r"^[ \t>]*(?P<marks>`{3,}|~{3,})(?P<rest>[^`\n]*)$", re.MULTILINE)
LIST_ITEM = re.compile(r"\s*(?:[-*•·+#|>]|\d+[.)]|[A-Za-z][.)] )")
# Three letters before a stop, since initials, numbers and titles end no sentence.
QUOTES = "\"')\u2019\u201d"
SENTENCE_END = re.compile(rf"(?<=[^\W\d_]{{3}}[.!?])[{QUOTES}]* +(?=\W?[^\W\d_a-z])|[\u3002\uff01\uff1f]")
# What stands unpunctuated after the last sentence may be a tag or a link.
NO_SENTENCE = re.compile("[#@]|https?:")
COMMAS = ",\uff0c\u3001"
MIN_CUT_WORDS, MIN_CUT_SIGNS = 4, 12


def too_short(text: str, what: str, least: int) -> Rejected | None:
    if len(text) < least:
        return Rejected(f"{what}_too_short", f"{len(text)} characters; at least {least}")
    return None


def too_long(text: str, what: str, most: int) -> Rejected | None:
    if len(text) > most:
        return Rejected(f"{what}_too_long", f"{len(text)} characters; at most {most}")
    return None


def replacement_characters(text: str, most: float) -> Rejected | None:
    """U+FFFD: where a decoder met bytes that it could not read."""
    count = text.count(REPLACEMENT)
    if count > most * len(text):
        return Rejected("replacement_characters", f"{count} of {len(text)} characters are U+FFFD")
    return None


def mojibake(text: str, most: float) -> Rejected | None:
    """UTF-8 that was read as another encoding: unlikely sequences in a text that reads right when undone.

    The sequences alone also occur where Chinese quotes “café”; undone, that stays what it is.
    """
    if not MISREAD.search(text):
        return None
    count = badness(text)
    if count > most * len(text) and (undone := fix_encoding(text)) != text:
        pairs = enumerate(zip(text, undone, strict=False))
        place = next((at for at, (old, new) in pairs if old != new), 0)
        found, meant = text[place : place + 12], undone[place : place + 12]
        return Rejected("mojibake", f"{count} sequences in {len(text)} characters: {found!r} for {meant!r}")
    return None


def repetition(text: str, most: float) -> Rejected | None:
    """An answer that loops, or says whole paragraphs again."""
    words = WORD.findall(text)
    if len(words) < REPETITION_MIN_WORDS:
        return None
    runs = list(zip(*(words[start:] for start in range(REPETITION_RUN_WORDS)), strict=False))
    share = 1 - len(set(runs)) / len(runs)
    if share > most:
        return Rejected(
            "repetition", f"{share:.0%} of its runs of {REPETITION_RUN_WORDS} words were there before"
        )
    return None


def truncated(text: str) -> Rejected | None:
    """An answer that stops inside a code block, or inside a sentence after whole ones."""
    if _inside_fence(text):
        return Rejected("truncated", "it ends inside a code block")
    line = text[text.rfind("\n") + 1 :]
    if not (line[-1:].isalpha() or line[-1:] in COMMAS) or LIST_ITEM.match(line):
        return None
    ends = [match.end() for match in SENTENCE_END.finditer(line)]
    rest = line[ends[-1] :].strip() if ends else ""
    cut = len(rest.split()) >= MIN_CUT_WORDS or len(WORD.findall(rest)) >= MIN_CUT_SIGNS
    if cut and not NO_SENTENCE.search(rest):
        return Rejected("truncated", f"it ends inside a sentence: {rest[-60:]!r}")
    return None


def _inside_fence(text: str) -> bool:
    """As Markdown has it: what closes a fence is at least as long, of the same sign, and says no language."""
    opened = ""
    for fence in FENCE.finditer(text):
        if not opened:
            opened = fence["marks"]
        elif fence["marks"].startswith(opened) and not fence["rest"].strip():
            opened = ""
    return bool(opened)


def refusal(text: str, phrases: re.Pattern[str]) -> Rejected | None:
    if found := phrases.search(text.replace("\u2019", "'")):
        return Rejected("refusal", f"it says {found.group()!r}")
    return None


def foreign(text: str, allowed: Collection[str], min_letters: int) -> Rejected | None:
    language = language_of(text, min_letters=min_letters)
    if language is not None and language not in allowed:
        return Rejected("language", f"it is in {language}; allowed: {', '.join(allowed)}")
    return None
