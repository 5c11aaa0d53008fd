"""A column of texts as the bytes that it is made of, for looking at all of them at once.

Belongs here: offsets, bytes and counts, without a Python object per text. Does not: what bytes mean.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from medallion_assets.text.alphabet import Array


def offsets_of(texts: pa.StringArray) -> Array:
    """Where each text begins in content_of(texts), and where the last one ends: int32 (texts + 1,)."""
    if not len(texts):
        return np.zeros(1, np.int32)
    offsets = _all_offsets(texts)[texts.offset : texts.offset + len(texts) + 1]
    borders: Array = offsets - offsets[0]
    return borders


def content_of(texts: pa.StringArray) -> Array:
    """All of them, one after the other: uint8 (bytes,), in place. Nulls are as good as empty."""
    if not len(texts):
        return np.zeros(0, np.uint8)
    offsets = _all_offsets(texts)
    content = np.frombuffer(texts.buffers()[2] or b"", np.uint8)
    return content[offsets[texts.offset] : offsets[texts.offset + len(texts)]]


def counts_of(byte: int, content: Array, borders: Array) -> Array:
    """How often a byte is between one border and the next: int64 (borders - 1,)."""
    counts: Array = np.diff(np.searchsorted(np.flatnonzero(content == byte), borders))
    return counts


def touched(places: Array, borders: Array) -> Array:
    """Whether between one border and the next there is one of these places: bool (borders - 1,)."""
    held: Array = np.diff(np.searchsorted(places, borders)) > 0
    return held


def _all_offsets(texts: pa.StringArray) -> Array:
    return np.frombuffer(texts.buffers()[1], np.int32)
