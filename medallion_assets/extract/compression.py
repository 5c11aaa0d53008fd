"""A file's decompressed bytes, as a stream that knows exactly where it ends.

Belongs here: gzip and zstd by their magic, frame after frame; truncation, damage and bombs. Does not: what
the bytes mean (containers.py).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import zstandard

from medallion_assets.extract.limits import RATIO_IS_LOOKED_AT_FROM_BYTES, Limits
from medallion_assets.extract.raw import UnreadableContainer

CHUNK_BYTES = 1 << 20
READ_BYTES = 64 << 10
# A byte of zstd gives up to 32 KiB and its decompressor can't be told to stop: 1 KiB gives at most 32 MiB.
ZSTD_STEP_BYTES = 1 << 10
# What the zstd command accepts too; a frame may ask for 2 GiB and more.
MAX_ZSTD_WINDOW_BYTES = 128 << 20
GZIP_WBITS = 31


class GzipFrame:
    """One frame (gzip calls it a member), fed in pieces; `unused` is what was fed beyond its end."""

    codec = "gzip"
    suffix = ".gz"
    magics = (b"\x1f\x8b",)
    padding = b"\0"  # tapes and some tools fill up with it; gzip ignores it

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=GZIP_WBITS)

    def pieces(self, data: bytes) -> Iterator[bytes]:
        piece = b" " * CHUNK_BYTES
        # A full piece may have left more within zlib; after the end, the tail is what unused_data has too.
        while not self._inflate.eof and (data or len(piece) == CHUNK_BYTES):
            piece = self._inflate.decompress(data, CHUNK_BYTES)
            data = self._inflate.unconsumed_tail
            yield piece

    @property
    def is_complete(self) -> bool:
        return self._inflate.eof

    @property
    def unused(self) -> bytes:
        return self._inflate.unused_data


class ZstdFrame:
    """The same for zstd; skippable frames count as frames without content."""

    codec = "zstd"
    suffix = ".zst"
    magics = (b"\x28\xb5\x2f\xfd", *(bytes([0x50 + n]) + b"\x2a\x4d\x18" for n in range(16)))
    padding = b""

    def __init__(self) -> None:
        self._frame = zstandard.ZstdDecompressor(max_window_size=MAX_ZSTD_WINDOW_BYTES).decompressobj()
        self._rest = b""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), ZSTD_STEP_BYTES):
            end = start + ZSTD_STEP_BYTES
            yield self._frame.decompress(data[start:end])
            if self._frame.eof:
                self._rest = data[end:]
                return

    @property
    def is_complete(self) -> bool:
        return self._frame.eof

    @property
    def unused(self) -> bytes:
        return self._frame.unused_data + self._rest


Codec = type[GzipFrame] | type[ZstdFrame]
CODECS: tuple[Codec, ...] = (GzipFrame, ZstdFrame)


def uncompressed_name(name: str) -> str:
    """The file's name in lower case, without what it says about compression."""
    for codec in CODECS:
        name = name.lower().removesuffix(codec.suffix)
    return name


def codec_of(path: Path, *, name: str) -> Codec | None:
    """The codec that the first bytes name. `name` may promise one: then a stub of its magic is truncated."""
    with path.open("rb") as file:
        head = file.read(4)
    for codec in CODECS:
        if head.startswith(codec.magics):
            return codec
        if name.lower().endswith(codec.suffix) and len(head) < len(codec.magics[0]):
            raise UnreadableContainer(
                f"truncated_{codec.codec}", "it ends before its first record could begin"
            )
    return None


def decompressed(path: Path, *, codec: Codec | None, limits: Limits) -> Iterator[bytes]:
    """The file's content, in chunks of CHUNK_BYTES or somewhat more."""
    with path.open("rb") as file:
        if codec is None:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
        else:
            yield from _chunks(_capped(_pieces(file, codec), lambda: file.tell(), limits))


def _pieces(file: BinaryIO, codec: Codec) -> Iterator[bytes]:
    frames = 0
    data = file.read(READ_BYTES)
    while data:
        if not any(magic.startswith(data[: len(magic)]) for magic in codec.magics):
            raise _corrupt(codec, file, f"what follows frame {frames} is none")
        frame = codec()
        try:
            yield from frame.pieces(data)
            while not frame.is_complete and (data := file.read(READ_BYTES)):
                yield from frame.pieces(data)
        except (zlib.error, zstandard.ZstdError) as error:
            raise _corrupt(codec, file, str(error)) from error
        frames += 1
        if not frame.is_complete:
            raise UnreadableContainer(
                f"truncated_{codec.codec}",
                f"frame {frames} is not complete at the file's end, byte {file.tell()}",
            )
        data = _next_frame(frame.unused, file, codec.padding)


def _next_frame(data: bytes, file: BinaryIO, padding: bytes) -> bytes:
    data = data.lstrip(padding) if padding else data
    while not data and (more := file.read(READ_BYTES)):
        data = more.lstrip(padding) if padding else more
    return data


def _corrupt(codec: Codec, file: BinaryIO, why: str) -> UnreadableContainer:
    return UnreadableContainer(f"corrupt_{codec.codec}", f"{why}, before byte {file.tell()} of the file")


def _capped(pieces: Iterable[bytes], read_bytes: Callable[[], int], limits: Limits) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limits.decompressed_bytes:
            _refuse("too_large_decompressed", read_bytes(), f"{limits.decompressed_bytes} bytes")
        if size > RATIO_IS_LOOKED_AT_FROM_BYTES and size > limits.compression_ratio * read_bytes():
            _refuse("compression_ratio", read_bytes(), f"{limits.compression_ratio} times as many")
        yield piece


def _refuse(reason: str, read_bytes: int, cap: str) -> None:
    raise UnreadableContainer(reason, f"the first {read_bytes} bytes of the file give more than {cap}")


def _chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Few large chunks out of many small pieces."""
    gathered: list[bytes] = []
    size = 0
    for piece in pieces:
        gathered.append(piece)
        size += len(piece)
        if size >= CHUNK_BYTES:
            yield b"".join(gathered)
            gathered, size = [], 0
    if size:
        yield b"".join(gathered)
