"""Which conversations the quality gates have to be asked about, told from the texts of a whole batch at once.

Belongs here: signs without which no gate rejects. Does not: the gates' own measures (texts.py).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from medallion_assets.curate.gates.quality import quality_gates
from medallion_assets.curate.gates.quality.thresholds import Quality
from medallion_assets.schemas import SFT_UNIT
from medallion_assets.text.alphabet import Array
from medallion_assets.text.buffers import content_of, offsets_of, touched

# What UTF-8 begins characters from U+0080 to U+2FFF with: of two bytes at first, then of three.
FIRST_LEAD, FIRST_LONG_LEAD, LAST_LEAD = 0xC2, 0xE0, 0xE2
# Those of U+FFFD, and of few others.
REPLACEMENT_LEAD, REPLACEMENT_NEXT = 0xEF, 0xBF


def may_be_rejected(quality: Quality, texts: pa.StringArray, first: Array) -> Array:
    """By conversation: bool (conversations,); `first` is where in `texts` each begins, and the end."""
    unscreened = replace(
        quality, max_replacement_characters=None, max_mojibake=None, prompt_equals_answer="keep"
    )
    if quality_gates(unscreened, SFT_UNIT):
        return np.ones(len(first) - 1, bool)
    damaged = np.concatenate([[0], np.cumsum(may_be_damaged(texts))])
    return (np.diff(damaged[first]) > 0) | _may_repeat(offsets_of(texts), first)


def may_be_damaged(texts: pa.StringArray) -> Array:
    """Where there is U+FFFD, or side by side two characters that may be misread: bool (texts,)."""
    content, borders = content_of(texts), offsets_of(texts)
    lead = np.flatnonzero(_is_lead(content))
    after = lead + np.where(content[lead] < FIRST_LONG_LEAD, 2, 3)
    pairs = lead[after < len(content)]
    pairs = pairs[_is_lead(content[after[: len(pairs)]])]
    replaced = np.flatnonzero(content == REPLACEMENT_LEAD)
    replaced = replaced[content[replaced + 1] == REPLACEMENT_NEXT]
    return touched(pairs, borders) | touched(replaced, borders)


def _is_lead(content: Array) -> Array:
    within: Array = (content >= FIRST_LEAD) & (content <= LAST_LEAD)
    return within


def _may_repeat(borders: Array, first: Array) -> Array:
    """Whether the first two texts of a conversation are of one length."""
    sizes = np.append(np.diff(borders), [0, 0])
    same: Array = sizes[first[:-1]] == sizes[first[:-1] + 1]
    return same
