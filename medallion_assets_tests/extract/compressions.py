"""The compressions of an export, by what they add to its name: what the tests of containers share."""

from __future__ import annotations

import gzip

import zstandard

from medallion_assets.extract.compression import CODECS
from medallion_assets.extract.containers import OTHER_BOMS
from medallion_assets.extract.parquet import PARQUET_MAGIC

MARKS = (*(magic for codec in CODECS for magic in codec.magics), PARQUET_MAGIC, *OTHER_BOMS)


def plain(content: bytes) -> bytes:
    return content


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def zstd(content: bytes) -> bytes:
    """With a checksum, as the command writes it."""
    return zstandard.ZstdCompressor(write_checksum=True).compress(content)


def is_text(content: bytes) -> bool:
    """Whether it begins with none of the marks of another container or encoding."""
    return not content.startswith(MARKS)


COMPRESSIONS = {"": plain, ".gz": gzipped, ".zst": zstd}
