"""Splits a JSON array into its elements' raw texts, as a stream.

Belongs here: finding where elements begin and end. Does not: judging them; a malformed element is still
one element, for conform to reject with its reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

# Strings are skipped whole; an unfinished one is left for the next chunk. Possessive, or each escape would
# be remembered for backtracking: ten times the text in memory.
TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},"]', re.DOTALL)
SPACE = b" \t\r\n"


class BrokenArray(ValueError):
    """The text is no array: where it stops making sense."""


class Element(NamedTuple):
    """An element's exact bytes, and its offset in the whole text."""

    raw: bytes
    offset: int


class ArraySplitter:
    """Feed it chunks in order, then close it; memory is bounded by the longest element plus a chunk."""

    def __init__(self) -> None:
        self._buffer = b""
        self._base = 0  # offset of the buffer in the whole text
        self._scanned = 0  # tokens before this place in the buffer are dealt with
        self._start = 0  # where the present element (or the space before it) begins in the buffer
        self._depth = 0
        self._elements = 0
        self._ended = False

    def feed(self, chunk: bytes) -> Iterator[Element]:
        self._buffer += chunk
        if self._ended:
            self._refuse_rest()
            return
        for match in TOKEN.finditer(self._buffer, self._scanned):
            token = match.group()
            if token == b'"':
                self._scanned = match.start()
                break
            self._scanned = match.end()
            if token in (b"[", b"{"):
                self._open(match.start(), token)
            elif token in (b"]", b"}"):
                self._depth -= 1
                if self._depth <= 0:
                    yield from self._end(match.start(), token)
                    break
            elif token == b"," and self._depth == 1:
                yield self._element(match.start())
                self._start = match.end()
        self._drop_consumed()

    def close(self) -> None:
        if not self._ended:
            raise BrokenArray(
                f"the array is not closed; {self._elements} whole elements were found before its end"
            )

    def _open(self, at: int, token: bytes) -> None:
        if self._depth == 0:
            if token != b"[" or self._buffer[:at].strip(SPACE):
                raise BrokenArray("there is text before the array's opening bracket")
            self._start = at + 1
        self._depth += 1

    def _end(self, at: int, token: bytes) -> Iterator[Element]:
        if self._depth < 0 or token != b"]":
            raise BrokenArray(f"unmatched {token.decode()} at byte {self._base + at}")
        if self._elements or self._buffer[self._start : at].strip(SPACE):
            yield self._element(at)
        self._ended = True
        self._start = self._scanned
        self._refuse_rest()

    def _element(self, end: int) -> Element:
        raw = self._buffer[self._start : end]
        self._elements += 1
        lead = len(raw) - len(raw.lstrip(SPACE))
        return Element(raw.strip(SPACE), self._base + self._start + lead)

    def _refuse_rest(self) -> None:
        if self._buffer[self._start :].strip(SPACE):
            raise BrokenArray(f"there is text after the array's end at byte {self._base + self._start}")

    def _drop_consumed(self) -> None:
        self._buffer = self._buffer[self._start :]
        self._base += self._start
        self._scanned -= self._start
        self._start = 0


def split_array(chunks: Iterable[bytes]) -> Iterator[Element]:
    """The elements of one JSON array; raises BrokenArray where the text is not one."""
    splitter = ArraySplitter()
    for chunk in chunks:
        yield from splitter.feed(chunk)
    splitter.close()
