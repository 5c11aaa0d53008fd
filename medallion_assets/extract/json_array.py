"""Splits a JSON array into its elements' raw texts, as a stream.

Belongs here: finding where elements begin and end. Does not: judging them; a malformed element is still
one element, for conform to reject with its reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from medallion_assets.extract.raw import SPACE, Gathering, RawRecord, UnreadableContainer

# Possessive throughout, or each escape would be remembered for backtracking: ten times the text in memory.
STRING_REST = rb'[^"\\]*+(?:\\.[^"\\]*+)*+'
STRING = rb'"' + STRING_REST + rb'"'
FLAT = rb'[^][{}"]*+(?:' + STRING + rb'[^][{}"]*+)*+'
# Strings, and objects and arrays without others within, are skipped whole. What counts is a group.
TOKEN = re.compile(
    STRING + rb"|\{" + FLAT + rb"\}|\[" + FLAT + rb'\]|([\[{])|([\]}])|(,)|(")',
    re.DOTALL,
)
OPENS, CLOSES, COMMA, UNFINISHED_STRING = 1, 2, 3, 4  # the groups
REST_OF_STRING = re.compile(STRING_REST, re.DOTALL)
WHOLE_STRING = re.compile(STRING, re.DOTALL)


class ArraySplitter:
    """Feed it chunks in order, then close it; memory is bounded by the limit plus a chunk."""

    def __init__(self, *, offset: int, limit: int) -> None:
        self._base = offset  # of the present chunk in the whole text
        self._line = 1  # at the place up to which lines are counted
        self._counted = 0  # that place in the present chunk
        self._limit = limit
        self._begun = Gathering(limit)
        self._begins_at = (0, 0)  # line and offset of what is gathered
        self._depth = 0
        self._in_string = False
        self._escaped = False  # the last chunk ended within an escape
        self._elements = 0
        self._ended = False

    def feed(self, chunk: bytes) -> Iterator[RawRecord]:
        if self._ended:
            self._refuse_rest(chunk, 0)
        elif self._depth == 0:
            yield from self._scan_from_opening(chunk)
        else:
            yield from self._scan(chunk, 0)
        self._line += chunk.count(b"\n", self._counted)
        self._counted = 0
        self._base += len(chunk)

    def close(self) -> None:
        if not self._ended:
            raise _broken(
                f"the array is not closed; {self._elements} whole elements were found before its end"
            )

    def _scan_from_opening(self, chunk: bytes) -> Iterator[RawRecord]:
        at = len(chunk) - len(chunk.lstrip(SPACE))
        if at == len(chunk):
            return
        if chunk[at : at + 1] != b"[":
            raise _broken(f"there is text before the array's opening bracket, at byte {self._base + at}")
        self._depth = 1
        yield from self._scan(chunk, at + 1)

    def _scan(self, chunk: bytes, start: int) -> Iterator[RawRecord]:
        at = self._after_string(chunk, int(self._escaped)) if self._in_string else start
        for match in TOKEN.finditer(chunk, at):
            kind = match.lastindex
            if kind is None:
                continue
            if kind == COMMA:
                if self._depth == 1:
                    yield self._element(chunk, start, match.start())
                    start = match.end()
            elif kind == OPENS:
                self._depth += 1
            elif kind == CLOSES:
                self._depth -= 1
                if self._depth == 0:
                    yield from self._end(chunk, start, match.start())
                    return
            elif kind == UNFINISHED_STRING:
                self._after_string(chunk, match.end())
                break
        self._gather(chunk, start, len(chunk))

    def _after_string(self, chunk: bytes, at: int) -> int:
        """Where the string that goes on at this place is over, or the chunk's end."""
        rest = REST_OF_STRING.match(chunk, at)
        end = rest.end() if rest else at
        self._in_string = chunk[end : end + 1] != b'"'
        self._escaped = self._in_string and end < len(chunk)
        return len(chunk) if self._in_string else end + 1

    def _element(self, chunk: bytes, start: int, end: int) -> RawRecord:
        self._elements += 1
        if self._begun.size or end - start > self._limit:
            self._gather(chunk, start, end)
        if self._begun.size:
            record = self._begun.record(*self._begins_at)
            return record if record.defect else record._replace(raw=record.raw.rstrip(SPACE))
        raw = chunk[start:end].lstrip(SPACE)
        return RawRecord(raw.rstrip(SPACE), *self._place(chunk, end - len(raw)))

    def _gather(self, chunk: bytes, start: int, end: int) -> None:
        piece = chunk[start:end]
        if not self._begun.size:
            piece = piece.lstrip(SPACE)
            self._begins_at = self._place(chunk, end - len(piece))
        self._begun.add(piece)

    def _place(self, chunk: bytes, at: int) -> tuple[int, int]:
        self._line += chunk.count(b"\n", self._counted, at)
        self._counted = at
        return self._line, self._base + at

    def _end(self, chunk: bytes, start: int, at: int) -> Iterator[RawRecord]:
        if chunk[at : at + 1] != b"]":
            raise _broken(f"unmatched }} at byte {self._base + at}")
        if self._elements or self._begun.size or chunk[start:at].strip(SPACE):
            yield self._element(chunk, start, at)
        self._ended = True
        self._refuse_rest(chunk, at + 1)

    def _refuse_rest(self, chunk: bytes, start: int) -> None:
        if rest := chunk[start:].lstrip(SPACE):
            raise _broken(
                f"there is text after the array's end, at byte {self._base + len(chunk) - len(rest)}"
            )


def _broken(why: str) -> UnreadableContainer:
    return UnreadableContainer("broken_json_array", why)


def split_array(chunks: Iterable[bytes], *, offset: int, limit: int) -> Iterator[RawRecord]:
    """The elements of one JSON array; raises UnreadableContainer where the text is not one."""
    splitter = ArraySplitter(offset=offset, limit=limit)
    for chunk in chunks:
        yield from splitter.feed(chunk)
    splitter.close()


def is_balanced(text: bytes) -> bool:
    """Whether strings and brackets that begin in the text also end in it."""
    bare = WHOLE_STRING.sub(b"", text)
    opened = bare.count(b"{") + bare.count(b"[")
    return b'"' not in bare and opened == bare.count(b"}") + bare.count(b"]")
