"""Texts to word hashes, whole batches at a time: exact integer arithmetic, the same on every machine.

Belongs here: finding and hashing words, and runs of them. Does not: which characters are words (alphabet.py).
A word's hash is a polynomial in its characters modulo 2^64, so that one running sum gives it for all words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medallion_assets.text.alphabet import ALONE, BASIC_PLANE, JOINED, Alphabet, Array, mixed

# A pass holds about 40 bytes a character, which is to stay in a core's cache; a longer text is one by itself.
PASS_CHARACTERS = 1 << 17
# A text longer than that is cut there, be it in the middle of a word.
CUT_CHARACTERS = 1 << 20
BASE = 0x9E3779B97F4A7C15
INVERSE = pow(BASE, -1, 1 << 64)
RUN_BASE = 0xD6E8FEB86659FD93


@dataclass(frozen=True)
class Words:
    """The words of several texts, one after the other.

    hashes: uint64 (words,); starts, ends: int64 (words,), characters within the word's own text;
    first: int64 (texts + 1,), where each text's words begin.
    """

    hashes: Array
    starts: Array
    ends: Array
    first: Array

    @property
    def counts(self) -> Array:
        return np.diff(self.first)


def words_of(texts: pa.StringArray, alphabet: Alphabet) -> Words:
    """The words of each text; a null has none."""
    parts = [_words_of_pass(*each, alphabet) for each in _passes(texts)]
    return Words(
        hashes=_joined([part.hashes for part in parts]),
        starts=_joined([part.starts for part in parts]),
        ends=_joined([part.ends for part in parts]),
        first=np.cumsum(np.concatenate([[0], *(part.counts for part in parts)])),
    )


def word_counts(texts: pa.StringArray, alphabet: Alphabet) -> Array:
    """How many words each text has, int64 (texts,): words_of(…).counts in a third of the time."""
    found = np.zeros(len(texts), np.int64)
    ascii_ = pc.fill_null(pc.string_is_ascii(texts), True).to_numpy(zero_copy_only=False)
    for side in (ascii_, ~ascii_):  # apart, since of ASCII a byte is a character
        counts = [_counts(*each, alphabet) for each in _passes(texts.filter(pa.array(side)))]
        found[side] = np.concatenate([np.zeros(0, np.int64), *counts])
    return found


def runs_of(words: Words, length: int) -> tuple[Array, Array]:
    """Hashes of every `length` words in a row, and where each text's begin: int64 (texts + 1,).

    Runs don't cross texts. A text of fewer words is one run; one without words has none.
    """
    counts = words.counts
    runs = np.where(counts > 0, np.maximum(counts - length + 1, 1), 0)
    first = np.concatenate([[0], np.cumsum(runs)])
    short = np.flatnonzero((counts > 0) & (counts < length))
    rolled = _rolled(np.append(words.hashes, np.zeros(length - 1, np.uint64)), length)
    found = rolled.take(ranges(words.first[:-1], runs))
    found[first[short]] = _filled_up(words, short, length)
    return mixed(found), first


def _rolled(values: Array, length: int) -> Array:
    """The polynomial of every `length` values in a row, made of those of half as many."""
    if length == 1:
        return values
    half = length // 2
    halves, last = _rolled(values, half), len(values) - length + 1
    found: Array = halves[:last] * np.uint64(pow(RUN_BASE, half, 1 << 64))
    found += halves[half : half + last]
    if length % 2:
        found *= np.uint64(RUN_BASE)
        found += values[length - 1 :]
    return found


def _filled_up(words: Words, texts: Array, length: int) -> Array:
    """The polynomial of each of these texts, whose words are too few, as if noughts came after them."""
    counts = words.counts[texts]
    values = np.zeros((len(texts), length), np.uint64)
    values[np.arange(length) < counts[:, None]] = words.hashes[ranges(words.first[texts], counts)]
    return _rolled(values.ravel(), length)[::length] if len(texts) else values.ravel()


def ranges(begin: Array, counts: Array) -> Array:
    """The numbers begin[0], begin[0] + 1, … (counts[0] of them), begin[1], …, one after the other."""
    before = np.cumsum(counts) - counts
    each: Array = np.arange(int(counts.sum())) + np.repeat(begin - before, counts)
    return each


def begins(values: Array) -> Array:
    """Of sorted values, where each begins: bool (values,). np.unique would hash them all anew."""
    new = np.ones(len(values), bool)
    np.not_equal(values[1:], values[:-1], out=new[1:])
    return new


def _passes(texts: pa.StringArray) -> Iterator[tuple[pa.StringArray | str, Array]]:
    """Slices of bounded size, and where each of their texts begins among their characters, and the end.

    A text longer than a pass comes alone, one that is to be cut as a str.
    """
    lengths: Array = pc.fill_null(pc.utf8_length(texts), 0).to_numpy(zero_copy_only=False)
    borders = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    start = 0
    while start < len(texts):
        most = borders[start] + PASS_CHARACTERS
        end = max(int(np.searchsorted(borders, most, side="right")) - 1, start + 1)
        here = borders[start : end + 1] - borders[start]
        yield texts[start].as_py() if here[-1] > CUT_CHARACTERS else texts.slice(start, end - start), here
        start = end


def _counts(part: pa.StringArray | str, borders: Array, alphabet: Alphabet) -> Array:
    if isinstance(part, str):
        return _words_of_pass(part, borders, alphabet).counts
    said = _said(part)
    if said.isascii():
        classes = np.frombuffer(said.translate(alphabet.ascii_classes), np.uint8)
    else:
        classes, _ = _looked_up(_codes(said), alphabet)
    begin, _ = _edges(classes, borders)
    return np.diff(np.searchsorted(np.flatnonzero(begin), borders))


def _words_of_pass(part: pa.StringArray | str, borders: Array, alphabet: Alphabet) -> Words:
    if not isinstance(part, str):
        return _words(_said(part), borders, alphabet)
    cuts = [part[at : at + CUT_CHARACTERS] for at in range(0, len(part), CUT_CHARACTERS)]
    pieces = [_words(cut.encode(), np.array([0, len(cut)]), alphabet) for cut in cuts]
    shifts = [number * CUT_CHARACTERS for number in range(len(cuts))]
    return Words(
        hashes=_joined([piece.hashes for piece in pieces]),
        starts=_joined([piece.starts + shift for piece, shift in zip(pieces, shifts, strict=True)]),
        ends=_joined([piece.ends + shift for piece, shift in zip(pieces, shifts, strict=True)]),
        first=np.array([0, sum(len(piece.hashes) for piece in pieces)]),
    )


def _words(said: bytes, borders: Array, alphabet: Alphabet) -> Words:
    classes, values = _looked_up(_codes(said), alphabet)
    begin, end = _edges(classes, borders)
    starts, ends = np.flatnonzero(begin), np.flatnonzero(end) + 1
    powers, inverses = _powers()
    values *= powers[: len(values)]
    running = np.zeros(len(values) + 1, np.uint64)
    np.cumsum(values, out=running[1:])
    hashes = mixed((running.take(ends) - running.take(starts)) * inverses.take(starts))
    first = np.searchsorted(starts, borders)
    origin = np.repeat(borders[:-1], np.diff(first))
    return Words(hashes, starts - origin, ends - origin, first)


def _edges(classes: Array, borders: Array) -> tuple[Array, Array]:
    """Whether a word begins and whether one ends with each character: bool (characters,) both."""
    joined = classes == JOINED
    alone = classes == ALONE
    edges = np.empty(len(classes) + 1, bool)  # between this character and the one before
    np.not_equal(joined[1:], joined[:-1], out=edges[1:-1])
    edges[borders] = True  # no word crosses texts
    return (joined & edges[:-1]) | alone, (joined & edges[1:]) | alone


def _looked_up(codes: Array, alphabet: Alphabet) -> tuple[Array, Array]:
    """Classes and values of characters; the few beyond the basic plane are asked one by one."""
    near = codes.astype(np.uint16).astype(np.intp)  # cast once, or each table would
    classes, values = alphabet.classes.take(near), alphabet.values.take(near)
    rare = np.flatnonzero(codes >= BASIC_PLANE)
    if not len(rare):
        return classes, values
    found, which = np.unique(codes[rare], return_inverse=True)
    known = [alphabet.classify(chr(code)) for code in found]
    classes[rare] = np.array([kind for kind, _ in known], np.uint8)[which]
    values[rare] = mixed(np.array([folded for _, folded in known], np.uint64))[which]
    return classes, values


@cache
def _powers() -> tuple[Array, Array]:
    """BASE^i and BASE^-i modulo 2^64, for every place in a text that is not cut."""
    return _powers_of(BASE), _powers_of(INVERSE)


def _powers_of(base: int) -> Array:
    powers = np.full(CUT_CHARACTERS + 2, base, np.uint64)
    powers[0] = 1
    return np.multiply.accumulate(powers)


def _said(texts: pa.StringArray) -> bytes:
    """All of them in one, without an object for each."""
    texts = pc.fill_null(texts, "")
    offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return bytes(memoryview(texts.buffers()[2] or b"")[offsets[0] : offsets[-1]])


def _codes(said: bytes) -> Array:
    """The characters' code points: of ASCII the bytes themselves."""
    if said.isascii():
        return np.frombuffer(said, np.uint8)
    return np.frombuffer(said.decode().encode("utf-32-le"), np.uint32)


def _joined(arrays: list[Array]) -> Array:
    return np.concatenate(arrays) if arrays else np.zeros(0, np.uint64)
