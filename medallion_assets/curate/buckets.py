"""Buckets: by band, who has which value, in files of sorted numbers that are looked up in place.

Belongs here: making such files for stretches of history, keeping them, and asking them. Does not: what is
asked (dedup.py). They hold nothing that the fingerprints don't: delete the folder and it is made again.
Days are gathered into files of 16 and of 256, so that a year is some twenty files, and a new day adds one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from datetime import date
from functools import lru_cache
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa

from medallion_assets.curate.fingerprint import KEY_BYTES
from medallion_assets.curate.history import Deposit, fixed_width, in_place, mapped
from medallion_assets.curate.minhash import BANDS, SLOTS, bands
from medallion_assets.storage import files
from medallion_assets.storage.manifest import digest_of
from medallion_assets.text.alphabet import Array
from medallion_assets.text.words import ranges

PLACE_BITS, PLACE = np.uint64(32), np.uint64(0xFFFFFFFF)
BYTES_PER_PLACE = 8
# A record's key is a band of its own, the last.
KEY_BAND = BANDS
FOLDER_NAME = ".buckets"
FORMAT = 1
SPANS_IN_DAYS = (256, 16)
# Larger stretches stay apart, so that no day has more than that to sort again.
MOST_ROWS = 1 << 20
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


def buckets_of(stretch: tuple[Deposit, ...], folder: Path) -> Array:
    """uint64 (BANDS + 1, records): by band, value << 32 | place in the stretch, ascending."""
    name = digest_of([FORMAT, [each.sha256 for each in stretch]])[:32]
    path = folder / f"{name}.buckets"
    if not _is_whole(path, sum(each.rows for each in stretch)):
        files.make_folder(folder)
        temporary = files.temporary_beside(path)
        try:
            _write(temporary, stretch)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    os.utime(path)  # sweep() leaves what is asked for
    return _mapped(path, path.stat().st_ino)


def _is_whole(path: Path, rows: int) -> bool:
    """Whether the file is there, and as long as it was made: a copy of the store may have cut it short."""
    try:
        return path.stat().st_size == rows * (BANDS + 1) * BYTES_PER_PLACE
    except FileNotFoundError:
        return False


@lru_cache(maxsize=64)
def _mapped(path: Path, _inode: int) -> Array:
    return np.frombuffer(in_place(path), "<u8").reshape(BANDS + 1, -1)


def _write(path: Path, stretch: Sequence[Deposit]) -> None:
    """On the disk before it gets its name, since nothing ever checks what a name promises."""
    with path.open("wb") as file:
        for band in range(BANDS + 1):
            file.write(_sorted(stretch, band).data)
        file.flush()
        os.fsync(file.fileno())


def _sorted(stretch: Sequence[Deposit], band: int) -> Array:
    values = np.concatenate([_values(batch, band) for each in stretch for batch in mapped(each.path)])
    found = (values.astype(np.uint64) << PLACE_BITS) | np.arange(len(values), dtype=np.uint64)
    found.sort()
    return found


def _values(batch: pa.RecordBatch, band: int) -> Array:
    if band == KEY_BAND:
        return key_values(fixed_width(batch, "dedup_key", KEY_BYTES))
    each: Array = bands(fixed_width(batch, "minhash", SLOTS))[:, band]
    return each


def key_values(keys: Array) -> Array:
    """uint32 (records,): the key's band."""
    values: Array = np.ascontiguousarray(keys[:, :4]).view(np.uint32)[:, 0]
    return values


def members(buckets: Array, values: Array, most: Array) -> tuple[Array, Array]:
    """For one band's buckets and values, ascending: how many records have each, and their places.

    Of each value at most the first `most` in order count: int64 (values,).
    """
    edges = np.repeat(values.astype(np.uint64) << PLACE_BITS, 2)
    edges[1::2] |= PLACE  # which no record has; beside its begin, an end is found in the cache
    low, high = np.searchsorted(buckets, edges).reshape(-1, 2).T
    counts = np.minimum(high - low, most)
    return counts, (buckets[ranges(low, counts)] & PLACE).astype(np.int64)


def sweep(folder: Path, *, unused_seconds: float = UNUSED_SECONDS) -> list[Path]:
    """Removes files that no run has asked for in a while; another run makes them again."""
    before = time.time() - unused_seconds
    unused = [path for path in folder.glob("*") if path.stat().st_mtime < before]
    for path in unused:
        path.unlink(missing_ok=True)
    return unused
