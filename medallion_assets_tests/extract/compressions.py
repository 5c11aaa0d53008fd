"""The compressions of an export, by what they add to its name: what the tests of containers share."""

from __future__ import annotations

import gzip

import zstandard


def plain(content: bytes) -> bytes:
    return content


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def zstd(content: bytes) -> bytes:
    """With a checksum, as the command writes it."""
    return zstandard.ZstdCompressor(write_checksum=True).compress(content)


COMPRESSIONS = {"": plain, ".gz": gzipped, ".zst": zstd}
