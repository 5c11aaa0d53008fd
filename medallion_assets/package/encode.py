"""Rendered conversations to token ids with assistant-only labels: a whole batch at once, no step per token.

Belongs here: where the tokens of a text are, and which of them are learned. Does not: text (render.py), the
libraries that encode (encoders.py), bins (pack.py).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medallion_assets.package.render import Rendered, Span
from medallion_assets.records import Rejected

if TYPE_CHECKING:
    from tokenizers import Tokenizer

IGNORED_LABEL = -100

# One array carries ids and labels: a token that is learned is its id, one that is context is ~id (negative).
Signed = np.ndarray[tuple[int], np.dtype[np.int32]]
Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True)
class Flat:
    """The ids of many texts, one after the other; those of text n are [borders[n], borders[n + 1])."""

    ids: Signed
    borders: Numbers


Encode = Callable[[Sequence[str]], Flat]


@dataclass(frozen=True)
class Labeller:
    """Labels what a tokenizer encoded. `byte_lengths` are its tokens', by id, if tokens are pieces of text:
    adding them up tells where each is. Rows where that fails have the tokenizer's own offsets asked."""

    core: Tokenizer
    byte_lengths: Signed | None

    def __call__(self, batch: Sequence[Rendered], flat: Flat) -> list[Signed | Rejected]:
        if self.byte_lengths is None:
            return [label_alone(self.core, rendered) for rendered in batch]
        signed, sound = _labelled(batch, flat, self.byte_lengths)
        cuts = flat.borders.tolist()
        return [
            signed[cuts[row] : cuts[row + 1]] if sound[row] else label_alone(self.core, rendered)
            for row, rendered in enumerate(batch)
        ]


def ids_and_labels(signed: Signed) -> tuple[Signed, Signed]:
    context = signed < 0
    return np.where(context, ~signed, signed), np.where(context, np.int32(IGNORED_LABEL), signed)


def _labelled(
    batch: Sequence[Rendered], flat: Flat, byte_lengths: Signed
) -> tuple[Signed, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """The batch's ids with the learned ones marked, and which rows that is sure for."""
    ends = np.cumsum(byte_lengths[flat.ids], dtype=np.int64)
    reached = np.concatenate([[0], ends])
    starts, at_border = reached[:-1], reached[flat.borders]
    sizes = np.array([rendered.size for rendered in batch], np.int64)
    sound = np.diff(at_border) == sizes
    sound &= [text.isascii() or unicodedata.is_normalized("NFC", text) for text in _texts(batch)]
    rows = np.repeat(np.arange(len(batch)), [len(rendered.spans) for rendered in batch])
    spans = np.array([span for rendered in batch for span in rendered.spans], np.int64).reshape(-1, 4)
    start, said, end, last = (spans + at_border[rows][:, None]).T
    first, final = np.searchsorted(starts, start), np.searchsorted(ends, end)
    inside = (first < len(starts)) & (final < len(ends))
    first, final = np.where(inside, first, 0), np.where(inside, final, 0)
    clear = inside & sound[rows] & (starts[first] <= said) & (ends[final] <= last) & (first <= final)
    sound[rows[~clear]] = False
    steps = np.zeros(len(flat.ids) + 1, np.int8)
    steps[first[clear]] += 1
    steps[final[clear] + 1] -= 1
    learned = np.cumsum(steps[:-1], dtype=np.int8) > 0
    return np.where(learned, flat.ids, ~flat.ids), sound


def _texts(batch: Sequence[Rendered]) -> list[str]:
    return [rendered.text for rendered in batch]


def label_alone(core: Tokenizer, rendered: Rendered) -> Signed | Rejected:
    """One conversation, by the offsets in characters that the tokenizer tells, which are right whatever it
    does to a text; or why its labels can't be placed."""
    encoding = core.encode(rendered.text, add_special_tokens=False)
    ids = np.array(encoding.ids, np.int32)
    offsets = np.array(encoding.offsets, np.int64).reshape(-1, 2)
    starts, ends = offsets[:, 0], offsets[:, 1]
    signed = ~ids
    for span in rendered.spans:
        start, said, end, last = _in_characters(rendered.text, span)
        first, final = int(np.searchsorted(starts, start)), int(np.searchsorted(ends, end))
        if first >= len(ids) or final >= len(ids) or starts[first] > said or ends[final] > last:
            detail = f"a token reaches across the border of the turn at {start} to {end}, or none is there"
            return Rejected("mask_unclear", detail)
        # The tokens of one character have all the same end.
        final = int(np.searchsorted(ends, ends[final], "right")) - 1
        signed[first : final + 1] = ids[first : final + 1]
    return signed


def _in_characters(text: str, span: Span) -> tuple[int, ...]:
    if text.isascii():
        return span
    content = text.encode()
    return tuple(len(content[:at].decode()) for at in span)
