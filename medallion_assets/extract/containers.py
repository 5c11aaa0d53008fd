"""From an export's bytes to its records' raw bytes: decompression and splitting, as a stream.

Belongs here: JSONL and JSON arrays, plain or gzipped, recognised by content. Does not: parsing records
(conform/) or storing them (ingest.py).
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from medallion_assets.extract.json_array import SPACE, BrokenArray, split_array

CHUNK_BYTES = 4 << 20
GZIP_MAGIC = b"\x1f\x8b"
UTF8_BOM = b"\xef\xbb\xbf"
# Names that promise one record a line, whatever the first character is.
LINE_SUFFIXES = (".jsonl", ".ndjson")


class UnreadableContainer(ValueError):
    """The export as a whole can't be taken apart. `reason` is a reject's reason code."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}")


class RawRecord(NamedTuple):
    """One record's exact bytes and where they start in the decompressed export."""

    raw: bytes
    line: int
    byte_offset: int


def read_records(path: Path, *, name: str) -> Iterator[RawRecord]:
    """Every record of the export, in order. `name` is the file's name as landed: a hint, no more."""
    chunks = _chunks(path, promised_gzip=name.lower().endswith(".gz"))
    head = next(chunks, b"")
    skipped = len(UTF8_BOM) if head.startswith(UTF8_BOM) else 0
    body = chain([head[skipped:]], chunks)
    if _promises_lines(name) or not head[skipped:].lstrip(SPACE).startswith(b"["):
        return _lines(body, skipped)
    return _elements(body, skipped)


def _promises_lines(name: str) -> bool:
    return name.lower().removesuffix(".gz").endswith(LINE_SUFFIXES)


def _chunks(path: Path, *, promised_gzip: bool) -> Iterator[bytes]:
    with path.open("rb") as file:
        magic = file.read(len(GZIP_MAGIC))
        if promised_gzip and len(magic) < len(GZIP_MAGIC):  # what a full disk leaves is no empty batch
            raise UnreadableContainer("truncated_gzip", "it ends before its first record could begin")
        file.seek(0)
        stream = gzip.GzipFile(fileobj=file) if magic == GZIP_MAGIC else file
        try:
            while chunk := stream.read(CHUNK_BYTES):
                yield chunk
        except EOFError as error:
            raise UnreadableContainer("truncated_gzip", str(error)) from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise UnreadableContainer("corrupt_gzip", str(error)) from error


def _lines(chunks: Iterator[bytes], offset: int) -> Iterator[RawRecord]:
    """Splits on LF only: U+2028 and its like are content. Blank lines are no records; CR at the end goes."""
    line = 0
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for raw in whole:
            line += 1
            if record := raw.strip(SPACE):
                yield RawRecord(record, line, offset + raw.index(record))
            offset += len(raw) + 1
    if record := rest.strip(SPACE):
        yield RawRecord(record, line + 1, offset + rest.index(record))


def _elements(chunks: Iterator[bytes], offset: int) -> Iterator[RawRecord]:
    lines = _LineCounter()
    try:
        for element in split_array(lines.counting(chunks)):
            yield RawRecord(element.raw, lines.line_of(element.offset), offset + element.offset)
    except BrokenArray as error:
        raise UnreadableContainer("broken_json_array", str(error)) from error


class _LineCounter:
    """Line numbers for rising offsets in a stream, keeping only the line ends still ahead."""

    def __init__(self) -> None:
        self._ends: list[int] = []
        self._passed = 0
        self._next = 0
        self._seen_bytes = 0

    def counting(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._ends = self._ends[self._next :]
            self._next = 0
            at = chunk.find(b"\n")
            while at >= 0:
                self._ends.append(self._seen_bytes + at)
                at = chunk.find(b"\n", at + 1)
            self._seen_bytes += len(chunk)
            yield chunk

    def line_of(self, offset: int) -> int:
        while self._next < len(self._ends) and self._ends[self._next] < offset:
            self._next += 1
            self._passed += 1
        return self._passed + 1
