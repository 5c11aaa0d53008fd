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

# A pass holds about 40 bytes a character. A longer text is cut there, be it in the middle of a word.
PASS_CHARACTERS = 1 << 20
BASE = 0x9E3779B97F4A7C15
INVERSE = pow(BASE, -1, 1 << 64)
RUN_BASE = np.uint64(0xD6E8FEB86659FD93)


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
    parts = [_words_of_pass(part, alphabet) for part in _passes(texts)]
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
        counts = [_counts(part, alphabet) for part in _passes(texts.filter(pa.array(side)))]
        found[side] = np.concatenate([np.zeros(0, np.int64), *counts])
    return found


def runs_of(words: Words, length: int) -> tuple[Array, Array]:
    """Hashes of every `length` words in a row, and where each text's begin: int64 (texts + 1,).

    Runs don't cross texts. A text of fewer words is one run; one without words has none.
    """
    counts = words.counts
    padded = np.zeros(len(words.hashes) + (length - 1) * len(counts), np.uint64)
    shift = (length - 1) * np.arange(len(counts))
    padded[np.arange(len(words.hashes)) + np.repeat(shift, counts)] = words.hashes
    last = max(len(padded) - length + 1, 0)
    rolled = padded[:last].copy()
    for offset in range(1, length):
        rolled *= RUN_BASE
        rolled += padded[offset : last + offset]
    runs = np.where(counts > 0, np.maximum(counts - length + 1, 1), 0)
    first = np.concatenate([[0], np.cumsum(runs)])
    begin = words.first[:-1] + shift
    return mixed(rolled[ranges(begin, runs)]), first


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


def _passes(texts: pa.StringArray) -> Iterator[pa.StringArray | str]:
    """Slices of bounded size; a text longer than a pass comes alone, as a str."""
    total = np.cumsum(_lengths(texts) + 1)
    start = 0
    while start < len(texts):
        before = total[start - 1] if start else 0
        end = int(np.searchsorted(total, before + PASS_CHARACTERS, side="right"))
        if end == start:
            yield texts[start].as_py()
            end = start + 1
        else:
            yield texts.slice(start, end - start)
        start = end


def _counts(part: pa.StringArray | str, alphabet: Alphabet) -> Array:
    if isinstance(part, str):
        return np.array([len(_words_of_pass(part, alphabet).hashes)])
    ended = _ended(part)
    said = _text(ended)
    if said.isascii():
        classes = np.frombuffer(said.encode().translate(alphabet.ascii_classes), np.uint8)
    else:
        classes, _ = _looked_up(np.frombuffer(said.encode("utf-32-le"), np.uint32), alphabet)
    begin, _ = _edges(classes)
    lengths = _lengths(ended)
    counts: Array = np.add.reduceat(begin, np.cumsum(lengths) - lengths, dtype=np.int64)
    return counts


def _words_of_pass(part: pa.StringArray | str, alphabet: Alphabet) -> Words:
    if not isinstance(part, str):
        return _words(part, alphabet)
    cuts = [part[at : at + PASS_CHARACTERS] for at in range(0, len(part), PASS_CHARACTERS)]
    pieces = [_words(pa.array([cut]), alphabet) for cut in cuts]
    shifts = [number * PASS_CHARACTERS for number in range(len(cuts))]
    return Words(
        hashes=_joined([piece.hashes for piece in pieces]),
        starts=_joined([piece.starts + shift for piece, shift in zip(pieces, shifts, strict=True)]),
        ends=_joined([piece.ends + shift for piece, shift in zip(pieces, shifts, strict=True)]),
        first=np.array([0, sum(len(piece.hashes) for piece in pieces)]),
    )


def _words(texts: pa.StringArray, alphabet: Alphabet) -> Words:
    ended = _ended(texts)
    lengths = _lengths(ended)
    codes = np.frombuffer(_text(ended).encode("utf-32-le"), np.uint32)
    classes, values = _looked_up(codes, alphabet)
    begin, end = _edges(classes)
    starts, ends = np.flatnonzero(begin), np.flatnonzero(end) + 1
    powers, inverses = _powers()
    values *= powers[: len(codes)]
    running = np.zeros(len(codes) + 1, np.uint64)
    np.cumsum(values, out=running[1:])
    hashes = mixed((running[ends] - running[starts]) * inverses[starts])
    begins = np.cumsum(lengths) - lengths
    first = np.searchsorted(starts, np.append(begins, lengths.sum()))
    origin = np.repeat(begins, np.diff(first))
    return Words(hashes, starts - origin, ends - origin, first)


def _ended(texts: pa.StringArray) -> pa.StringArray:
    """Each with a line's end, so that no word crosses texts."""
    return pc.binary_join_element_wise(pc.fill_null(texts, ""), "", "\n")


def _edges(classes: Array) -> tuple[Array, Array]:
    """Whether a word begins and whether one ends with each character: bool (characters,) both."""
    joined = classes == JOINED
    alone = classes == ALONE
    edges = np.zeros(len(classes) + 1, bool)  # between this character and the one before
    np.not_equal(joined[1:], joined[:-1], out=edges[1:-1])
    edges[:1] = joined[:1]
    return (joined & edges[:-1]) | alone, (joined & edges[1:]) | alone


def _looked_up(codes: Array, alphabet: Alphabet) -> tuple[Array, Array]:
    """Classes and values of characters; the few beyond the basic plane are asked one by one."""
    rare = np.flatnonzero(codes >= BASIC_PLANE)
    if not len(rare):
        return alphabet.classes.take(codes), alphabet.values.take(codes)
    near = codes.copy()
    near[rare] = 0
    classes, values = alphabet.classes.take(near), alphabet.values.take(near)
    found, which = np.unique(codes[rare], return_inverse=True)
    known = [alphabet.classify(chr(code)) for code in found]
    classes[rare] = np.array([kind for kind, _ in known], np.uint8)[which]
    values[rare] = mixed(np.array([folded for _, folded in known], np.uint64))[which]
    return classes, values


@cache
def _powers() -> tuple[Array, Array]:
    """BASE^i and BASE^-i modulo 2^64, for every place in a pass."""
    return _powers_of(BASE), _powers_of(INVERSE)


def _powers_of(base: int) -> Array:
    powers = np.full(PASS_CHARACTERS + 2, base, np.uint64)
    powers[0] = 1
    return np.multiply.accumulate(powers)


def _lengths(texts: pa.StringArray) -> Array:
    """In characters; 0 for a null."""
    lengths: Array = pc.fill_null(pc.utf8_length(texts), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return lengths


def _text(texts: pa.StringArray) -> str:
    """All of them in one, without an object for each."""
    offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return bytes(memoryview(texts.buffers()[2])[offsets[0] : offsets[-1]]).decode()


def _joined(arrays: list[Array]) -> Array:
    return np.concatenate(arrays) if arrays else np.zeros(0, np.uint64)
