"""Buckets: who has which value of a band, and what is asked of those first, in files looked up in place.

Belongs here: making such files for stretches of history, keeping them, and asking one. Does not: history as
a whole (history.py), or what is asked (dedup.py). They hold nothing that the fingerprints don't: delete the
folder and it is made again. Days are gathered into files of 4, 16, 64 and 256, so that a year is some ten
files, and a new day adds one; of the days' own files only the shingles of a few records are ever needed.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import groupby
from mmap import mmap
from pathlib import Path

import numpy as np

from medallion_assets.curate.deposits import Deposit, Fingerprints, fingerprints_in, in_place, verify
from medallion_assets.curate.fingerprint import KEY_BYTES
from medallion_assets.curate.minhash import BANDS, SLOTS, bands
from medallion_assets.storage import files
from medallion_assets.storage.manifest import digest_of
from medallion_assets.text.alphabet import Array
from medallion_assets.text.words import ranges

PLACE_BITS = np.uint64(32)
# A record's key is a band of its own, the last.
KEY_BAND = BANDS
FOLDER_NAME = ".buckets"
FORMAT = 3
# Of a record: its key, its signature, how many shingles it has, and a value and a place for each band.
NUMBER, NUMBER_BYTES = "<u4", 4
BYTES_PER_ROW = KEY_BYTES + SLOTS + NUMBER_BYTES + 2 * NUMBER_BYTES * (BANDS + 1)
# Last comes the CRC-32 of all that. A run looks at a few pages here and there, so sweep() is who compares it.
SEAL_BYTES = 4
READ_BYTES = 1 << 20
SPANS_IN_DAYS = (256, 64, 16, 4)
# Larger stretches stay apart, so that no day has more than that to sort again.
MOST_ROWS = 1 << 20
# Ten years are fewer, and those that others have replaced since would be held on to.
MAPPED_FILES = 64
UNUSED_SECONDS = 14 * 24 * 3600


def stretches(deposits: Sequence[Deposit]) -> Iterator[tuple[Deposit, ...]]:
    """The deposits in their order, cut where files end: a span that a later day may join is cut finer."""
    if deposits:
        yield from _stretches(deposits, date.fromisoformat(deposits[-1].day).toordinal() + 1, SPANS_IN_DAYS)


def _stretches(deposits: Sequence[Deposit], end: int, spans: Sequence[int]) -> Iterator[tuple[Deposit, ...]]:
    span, *finer = spans or (1,)
    for number, group in groupby(deposits, lambda each: date.fromisoformat(each.day).toordinal() // span):
        stretch = tuple(group)
        whole = (number + 1) * span <= end and sum(each.rows for each in stretch) <= MOST_ROWS
        if whole or span == 1:
            yield stretch
        else:
            yield from _stretches(stretch, end, finer)


@dataclass(frozen=True)
class Buckets:
    """A stretch's records by their place in it: all of their fingerprints but the shingles.

    `keys` uint8 (records, KEY_BYTES), `signatures` uint8 (records, SLOTS), `sizes` uint32 (records,).
    `bands` uint32 (BANDS + 1, 2, records): of each band the values, ascending, and whose they are.
    """

    keys: Array
    signatures: Array
    sizes: Array
    bands: Array


@dataclass(frozen=True)
class BucketsFile:
    """Where a stretch's buckets lie. Made anew they have another inode, lest a file cut short stay mapped."""

    path: Path
    inode: int

    @staticmethod
    def of(stretch: Sequence[Deposit], folder: Path) -> BucketsFile:
        """Made if it is not there, or not as long as it was made: a copy of the store may have cut it."""
        name = digest_of([FORMAT, [each.sha256 for each in stretch]])[:32]
        path = folder / f"{name}.buckets"
        rows = sum(each.rows for each in stretch)
        if not _is_whole(path, rows):
            files.make_folder(folder)
            temporary = files.temporary_beside(path)
            try:
                _write(temporary, stretch)
                # Another worker's stays: on a shared disk, who looks into it would lose it.
                if not _is_whole(path, rows):
                    os.replace(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
        os.utime(path)  # sweep() leaves what is asked for
        return BucketsFile(path, path.stat().st_ino)

    def buckets(self) -> Buckets:
        return _mapped(self)


def _is_whole(path: Path, rows: int) -> bool:
    try:
        return path.stat().st_size == rows * BYTES_PER_ROW + SEAL_BYTES
    except FileNotFoundError:
        return False


@lru_cache(maxsize=MAPPED_FILES)
def _mapped(file: BucketsFile) -> Buckets:
    content = in_place(file.path)
    return _laid_out(content, (len(content) - SEAL_BYTES) // BYTES_PER_ROW)


def _laid_out(content: mmap, rows: int) -> Buckets:
    """Column after column; all begin at a multiple of NUMBER_BYTES."""
    ends = rows * np.cumsum([KEY_BYTES, SLOTS, NUMBER_BYTES])
    columns = np.frombuffer(content, np.uint8)[: rows * BYTES_PER_ROW]
    keys, signatures, sizes, bands_ = np.split(columns, ends)
    return Buckets(
        keys.reshape(rows, KEY_BYTES),
        signatures.reshape(rows, SLOTS),
        sizes.view(NUMBER),
        bands_.view(NUMBER).reshape(BANDS + 1, 2, -1),
    )


def _write(path: Path, stretch: Sequence[Deposit]) -> None:
    """On the disk before it gets its name, since until it is swept nothing checks what a name promises."""
    for each in stretch:
        verify(each)
    seal = 0
    with path.open("wb") as file:
        for column in (_keys, _signatures, _sizes):
            for batch in (batch for each in stretch for batch in fingerprints_in(each.path)):
                seal = zlib.crc32(data := column(batch).data, seal)
                file.write(data)
        file.flush()
        written = _laid_out(in_place(path), sum(each.rows for each in stretch))
        for band in range(BANDS + 1):
            seal = zlib.crc32(data := _sorted(_values(written, band)).data, seal)
            file.write(data)
        file.write(seal.to_bytes(SEAL_BYTES, "little"))
        file.flush()
        os.fsync(file.fileno())


def _keys(batch: Fingerprints) -> Array:
    return batch.keys


def _signatures(batch: Fingerprints) -> Array:
    return batch.signatures


def _sizes(batch: Fingerprints) -> Array:
    return np.diff(batch.first).astype(NUMBER)


def _values(buckets: Buckets, band: int) -> Array:
    if band == KEY_BAND:
        return key_values(buckets.keys)
    each: Array = bands(buckets.signatures)[:, band]
    return each


def _sorted(values: Array) -> Array:
    """(2, values): ascending, and where each was, the earliest first."""
    both = (values.astype(np.uint64) << PLACE_BITS) | np.arange(len(values), dtype=np.uint64)
    both.sort()
    found: Array = np.stack([both >> PLACE_BITS, both]).astype(NUMBER)
    return found


def key_values(keys: Array) -> Array:
    """uint32 (records,): the key's band."""
    values: Array = np.ascontiguousarray(keys[:, :4]).view(np.uint32)[:, 0]
    return values


def members(band: Array, asked: Array, most: Array) -> tuple[Array, Array, Array]:
    """Of a band's values and places: which of `asked` it has, how many records have each, and their places.

    `asked` ascends, and of each at most the first `most` in order count: int64 (asked,).
    """
    values, places = band
    low = np.searchsorted(values, asked)
    held = np.flatnonzero(values.take(low, mode="clip") == asked)
    low = low[held]
    counts = np.minimum(np.searchsorted(values, asked[held], side="right") - low, most[held])
    return held, counts, places[ranges(low, counts)].astype(np.int64)


def sweep(folder: Path, *, unused_seconds: float = UNUSED_SECONDS) -> list[Path]:
    """Removes files that no run has asked for in a while, and damaged ones; another run makes them again."""
    before = time.time() - unused_seconds
    removed = [path for path in folder.glob("*") if path.stat().st_mtime < before or _is_damaged(path)]
    for path in removed:
        path.unlink(missing_ok=True)
    return removed


def _is_damaged(path: Path) -> bool:
    """Not of one that is being made."""
    if path.name.startswith(files.TEMPORARY_PREFIX):
        return False
    left, seal = path.stat().st_size - SEAL_BYTES, 0
    with path.open("rb") as file:
        while left > 0 and (data := file.read(min(left, READ_BYTES))):
            seal = zlib.crc32(data, seal)
            left -= len(data)
        return file.read() != seal.to_bytes(SEAL_BYTES, "little")
