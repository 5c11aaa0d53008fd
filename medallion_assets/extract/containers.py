"""From an export's bytes to its records' raw bytes, as a stream: which container it is.

Belongs here: recognising JSONL, a JSON array, one JSON document, CSV, TSV and Parquet, each plain, gzipped
or zstd. Does not: taking one apart (its own module), parsing records (conform/) or storing them (ingest.py).
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from medallion_assets.extract.compression import codec_of, decompressed, uncompressed_name
from medallion_assets.extract.delimited import DIALECTS, delimited_records
from medallion_assets.extract.json_array import is_balanced, split_array
from medallion_assets.extract.limits import DEFAULT_LIMITS, Limits
from medallion_assets.extract.lines import json_lines
from medallion_assets.extract.parquet import PARQUET_MAGIC, parquet_records
from medallion_assets.extract.raw import SPACE, Gathering, RawRecord, UnreadableContainer

__all__ = ["Limits", "RawRecord", "UnreadableContainer", "read_records"]

UTF8_BOM = b"\xef\xbb\xbf"
# UTF-32's little-endian mark begins with UTF-16's.
OTHER_BOMS = {
    b"\xff\xfe\0\0": "UTF-32-LE",
    b"\0\0\xfe\xff": "UTF-32-BE",
    b"\xff\xfe": "UTF-16-LE",
    b"\xfe\xff": "UTF-16-BE",
}
MAGIC_BYTES = 4
# Names that promise one record a line, whatever the first character is.
LINE_SUFFIXES = (".jsonl", ".ndjson")
PARQUET_SUFFIX = ".parquet"


def read_records(
    path: Path,
    *,
    name: str,
    limits: Limits = DEFAULT_LIMITS,
    columns: Sequence[str] | None = None,
    scratch: Path | None = None,
) -> Iterator[RawRecord]:
    """Every record of the export, in order. `name` is the file's name as landed: a hint, no more.

    `columns` names those of a CSV or TSV without header. Compressed Parquet is unpacked into an unnamed
    file in `scratch`, or into memory.
    """
    codec = codec_of(path, name=name)
    chunks = decompressed(path, codec=codec, limits=limits)
    head, chunks = _peeked(chunks, lambda text: len(text) >= MAGIC_BYTES)
    plain_name = uncompressed_name(name)
    suffix = next((suffix for suffix in DIALECTS if plain_name.endswith(suffix)), None)
    if head.startswith(PARQUET_MAGIC) and suffix is None:
        file = path.open("rb") if codec is None else _unpacked(chunks, scratch)
        return parquet_records(file, compressed_bytes=path.stat().st_size, limits=limits)
    if plain_name.endswith(PARQUET_SUFFIX):
        raise UnreadableContainer("broken_parquet", "it does not begin as Parquet does")
    chunks, offset = _utf8(head, chunks)
    if suffix is not None:
        return delimited_records(
            chunks, offset=offset, limit=limits.record_bytes, dialect=DIALECTS[suffix], columns=columns
        )
    return _json_records(
        chunks, offset, limits.record_bytes, promises_lines=plain_name.endswith(LINE_SUFFIXES)
    )


def _peeked(chunks: Iterator[bytes], is_enough: Callable[[bytes], bool]) -> tuple[bytes, Iterator[bytes]]:
    """The first chunks up to where they are enough, and the whole stream as it was."""
    head = b""
    for chunk in chunks:
        head += chunk
        if is_enough(head):
            break
    return head, chain([head], chunks)


def _unpacked(chunks: Iterator[bytes], scratch: Path | None) -> BinaryIO:
    if scratch is not None:
        scratch.mkdir(parents=True, exist_ok=True)
    file: BinaryIO = io.BytesIO() if scratch is None else tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115
    for chunk in chunks:
        file.write(chunk)
    file.seek(0)
    return file


def _utf8(head: bytes, chunks: Iterator[bytes]) -> tuple[Iterator[bytes], int]:
    """The text after its byte order mark, and the mark's length."""
    for mark, encoding in OTHER_BOMS.items():
        if head.startswith(mark):
            raise UnreadableContainer(
                "unsupported_encoding", f"byte 0: the mark of {encoding}; UTF-8 is read"
            )
    if not head.startswith(UTF8_BOM):
        return chunks, 0
    next(chunks)
    return chain([head[len(UTF8_BOM) :]], chunks), len(UTF8_BOM)


def _json_records(
    chunks: Iterator[bytes], offset: int, limit: int, *, promises_lines: bool
) -> Iterator[RawRecord]:
    if promises_lines:
        return json_lines(chunks, offset=offset, limit=limit)
    head, chunks = _peeked(
        chunks, lambda text: len(text) > limit or _shows_its_first_line(text.lstrip(SPACE))
    )
    text = head.lstrip(SPACE)
    if text.startswith(b"["):
        return split_array(chunks, offset=offset, limit=limit)
    if text.startswith(b"{") and _shows_its_first_line(text) and not is_balanced(text.partition(b"\n")[0]):
        return _document(chunks, offset, limit)
    return json_lines(chunks, offset=offset, limit=limit)


def _shows_its_first_line(text: bytes) -> bool:
    return b"\n" in text if text.startswith(b"{") else bool(text)


def _document(chunks: Iterator[bytes], offset: int, limit: int) -> Iterator[RawRecord]:
    """The whole text as one record."""
    document = Gathering(limit)
    line = 1
    for chunk in chunks:
        text = chunk if document.size else chunk.lstrip(SPACE)
        if not document.size:
            line += chunk.count(b"\n", 0, len(chunk) - len(text))
            offset += len(chunk) - len(text)
        document.add(text)
    record = document.record(line, offset)
    yield record if record.defect else record._replace(raw=record.raw.rstrip(SPACE))
