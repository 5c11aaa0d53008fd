"""Rendered conversations to token ids with assistant-only labels: a whole batch at once, no step per token.

Belongs here: where the tokens of a text are, and which of them are learned. Does not: text (render.py), the
libraries that encode (encoders.py), bins (pack.py).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from medallion_assets.package.list_columns import borders
from medallion_assets.package.render.plain import Flags, Numbers
from medallion_assets.package.render.render import Rendered
from medallion_assets.package.render.rendered_batch import Texts
from medallion_assets.package.render.turns import Span
from medallion_assets.records import Rejected

if TYPE_CHECKING:
    from tokenizers import Tokenizer

IGNORED_LABEL = -100
# Below this a batch's offsets are counted in 32 bits, which halves the cost. Of ids that are no text's own,
# tokens may add up to more than the texts; half the range is left for that.
SMALL_BATCH_BYTES = 1 << 30

# One array carries ids and labels: a token that is learned is its id, one that is context is ~id (negative).
Signed = np.ndarray[tuple[int], np.dtype[np.int32]]
NONE: Signed = np.empty(0, np.int32)


@dataclass(frozen=True)
class Flat:
    """The ids of many texts, one after the other; those of text n are [borders[n], borders[n + 1])."""

    ids: Signed
    borders: Numbers

    @property
    def lengths(self) -> Numbers:
        return np.diff(self.borders)

    def of(self, place: int) -> Signed:
        return self.ids[self.borders[place] : self.borders[place + 1]]

    def each(self) -> list[Signed]:
        return [self.ids[first:last] for first, last in pairwise(self.borders.tolist())]

    def only(self, kept: Flags) -> Flat:
        """The texts that are kept: bool (texts,)."""
        if kept.all():
            return self
        return Flat(self.ids[np.repeat(kept, self.lengths)], borders(self.lengths[kept]))


Encode = Callable[[Sequence[str]], Flat]


@dataclass(frozen=True)
class Labeller:
    """Labels what a tokenizer encoded. `byte_lengths` are its tokens', by id, if tokens are pieces of text:
    adding them up tells where each is. Texts for which that fails have the tokenizer's own offsets asked."""

    core: Tokenizer
    byte_lengths: Signed | None

    def __call__(self, texts: Texts, flat: Flat) -> tuple[Flat, dict[int, Rejected]]:
        """The signed ids of each text; none of those, by place, whose labels can't be placed."""
        if self.byte_lengths is None:
            return self._alone(texts, [NONE] * len(texts.texts), range(len(texts.texts)))
        signed, sound = _labelled(texts, flat, self.byte_lengths)
        found = Flat(signed, flat.borders)
        if sound.all():
            return found, {}
        return self._alone(texts, found.each(), np.flatnonzero(~sound).tolist())

    def _alone(
        self, texts: Texts, found: list[Signed], places: Iterable[int]
    ) -> tuple[Flat, dict[int, Rejected]]:
        """What was found, but at these places what the tokenizer's offsets tell."""
        rejects: dict[int, Rejected] = {}
        for place in places:
            outcome = label_alone(self.core, texts.alone(place))
            if isinstance(outcome, Rejected):
                rejects[place], outcome = outcome, NONE
            found[place] = outcome
        lengths = np.fromiter(map(len, found), np.int64, len(found))
        return Flat(np.concatenate([NONE, *found]), borders(lengths)), rejects


def ids_and_labels(signed: Signed) -> tuple[Signed, Signed]:
    context = signed >> 31  # -1 for what is negative, else 0
    return signed ^ context, np.where(context, np.int32(IGNORED_LABEL), signed)


def _labelled(texts: Texts, flat: Flat, byte_lengths: Signed) -> tuple[Signed, Flags]:
    """The ids with the learned ones marked, and for which texts that is sure."""
    size: type[np.signedinteger[Any]] = np.int32 if texts.sizes.sum() < SMALL_BATCH_BYTES else np.int64
    reached = np.zeros(len(flat.ids) + 1, size)
    np.cumsum(byte_lengths[flat.ids], out=reached[1:])
    starts, ends, at_border = reached[:-1], reached[1:], reached[flat.borders]
    sound = (np.diff(at_border) == texts.sizes) & _stay_as_they_are(texts)
    start, said, end, last = (texts.spans + at_border[texts.places][:, None]).T.astype(size)
    first, final = np.searchsorted(starts, start), np.searchsorted(ends, end)
    inside = (first <= final) & (final < len(ends))
    first, final = np.where(inside, first, 0), np.where(inside, final, 0)
    clear = inside & sound[texts.places]
    if len(flat.ids):
        clear &= (starts[first] <= said) & (ends[final] <= last)
    sound[texts.places[~clear]] = False
    steps = np.zeros(len(flat.ids) + 1, np.int8)
    steps[first[clear]] += 1
    steps[final[clear] + 1] -= 1
    context = np.cumsum(steps[:-1], dtype=np.int8) - 1  # -1 for context, 0 for what is learned
    return flat.ids ^ context, sound


def _stay_as_they_are(texts: Texts) -> Flags:
    """Under the one normalization that tokenizers with byte lengths may have (vocabulary.py)."""
    stay: Flags = texts.sizes == np.fromiter(
        map(len, texts.texts), np.int64, len(texts.texts)
    )  # all is ASCII
    for place in np.flatnonzero(~stay).tolist():
        stay[place] = unicodedata.is_normalized("NFC", texts.texts[place])
    return stay


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
