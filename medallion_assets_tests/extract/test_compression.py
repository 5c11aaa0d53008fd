"""Laws of compression: the same bytes come out, or an error; a file cut short is never a shorter file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.extract import compression
from medallion_assets.extract.compression import codec_of, decompressed
from medallion_assets.extract.containers import read_records
from medallion_assets.extract.limits import Limits
from medallion_assets.extract.raw import UnreadableContainer
from medallion_assets_tests.extract.compressions import COMPRESSIONS, gzipped, zstd

FRAMED = {suffix: compress for suffix, compress in COMPRESSIONS.items() if suffix}
SKIPPABLE = b"\x5a\x2a\x4d\x18\x03\0\0\0abc"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compression")


def content_of(folder: Path, content: bytes, name: str = "a") -> bytes:
    path = folder / "bytes"
    path.write_bytes(content)
    return b"".join(decompressed(path, codec=codec_of(path, name=name), limits=Limits()))


@given(parts=st.lists(st.binary(max_size=200), min_size=1, max_size=4), read_bytes=st.integers(1, 40))
@pytest.mark.parametrize("compress", FRAMED.values(), ids=FRAMED)
@settings(max_examples=100)
def test_frames_follow_one_another_however_the_file_is_read(
    folder: Path, compress: Callable[[bytes], bytes], parts: list[bytes], read_bytes: int
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(compression, "READ_BYTES", read_bytes)
        patched.setattr(compression, "CHUNK_BYTES", 7)
        patched.setattr(compression, "ZSTD_STEP_BYTES", 3)
        assert content_of(folder, b"".join(map(compress, parts))) == b"".join(parts)


@pytest.mark.parametrize("level", [1, 3, 19])
def test_every_way_to_write_zstd_is_read(folder: Path, level: int) -> None:
    content = bytes(range(256)) * 5000
    streamed = zstandard.ZstdCompressor(level=level).compressobj()
    unsized = streamed.compress(content) + streamed.flush()
    threaded = zstandard.ZstdCompressor(level=level, threads=2).compress(content)
    assert content_of(folder, SKIPPABLE + unsized + SKIPPABLE + threaded) == content * 2


LINES = b"".join(b'{"row": %d, "text": "%d"}\n' % (n, n * 7919) for n in range(60))
HALVES = (LINES[: len(LINES) // 2], LINES[len(LINES) // 2 :])
FILES = {
    f"{name}{suffix}": (suffix, [compress(part) for part in parts])
    for suffix, compress in FRAMED.items()
    for name, parts in {"one": (LINES,), "several": HALVES, "empty": (LINES, b"")}.items()
}


@pytest.mark.parametrize("promise", [True, False])
@pytest.mark.parametrize(("suffix", "frames"), FILES.values(), ids=FILES)
def test_a_file_cut_short_at_any_byte_is_truncated(
    folder: Path, suffix: str, frames: list[bytes], promise: bool
) -> None:
    """Between two frames nothing shows a cut: such a file is sound, and another export."""
    path = folder / "cut"
    whole = b"".join(frames)
    name = "a.jsonl" + suffix * promise
    undetectable = {len(frames[0]), len(whole)}
    for end in range(0 if promise else 4, len(whole) + 1):
        path.write_bytes(whole[:end])
        if end in undetectable:
            assert LINES.startswith(b"\n".join(record.raw for record in read_records(path, name=name)))
            continue
        with pytest.raises(UnreadableContainer, match="truncated_"):
            list(read_records(path, name=name))


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@pytest.mark.parametrize("compress", FRAMED.values(), ids=FRAMED)
@settings(max_examples=150)
def test_a_flipped_bit_never_changes_the_content(
    folder: Path, compress: Callable[[bytes], bytes], place: float, bit: int
) -> None:
    damaged = bytearray(compress(LINES))
    damaged[int(place * len(damaged))] ^= 1 << bit
    path = folder / "damaged"
    path.write_bytes(damaged)
    if codec_of(path, name="a") is None:  # the magic itself is gone: the file is text of another kind
        return
    try:
        assert content_of(folder, bytes(damaged)) in (LINES, b"")
    except UnreadableContainer as error:
        assert error.reason.split("_")[0] in ("corrupt", "truncated")  # noqa: PT017


@pytest.mark.parametrize("compress", [gzipped, zstd])
def test_a_bomb_is_refused_before_it_fills_memory(
    folder: Path, compress: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "bomb"
    path.write_bytes(compress(bytes(200 << 20)))
    monkeypatch.setattr(compression, "RATIO_IS_LOOKED_AT_FROM_BYTES", 1 << 20)
    chunks = decompressed(path, codec=codec_of(path, name="a"), limits=Limits())
    with pytest.raises(UnreadableContainer, match="compression_ratio: the first"):
        assert sum(map(len, chunks)) < 40 << 20
