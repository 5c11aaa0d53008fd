"""Row 40: single bits that flip in what is stored.

Every one is found by the SHA-256 that the manifest holds. What reads a damaged file without asking it must
fail or give the rows that were written, never others.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from medallion_assets.curate.buckets import sweep
from medallion_assets.curate.deposits import Deposit, verify
from medallion_assets.extract.ledger import LEDGER_NAME, SHA256, DamagedLedger, Ledger
from medallion_assets.schemas import FINGERPRINTS
from medallion_assets.storage.parts import DamagedPart, read_batches
from medallion_assets.storage.store import Table
from medallion_assets_tests.faults.fault import Fault, chance
from medallion_assets_tests.faults.layers import stand_of

LAYERS = ("bronze/", "silver/", "gold/")


def _files(suffix: str) -> list[Path]:
    stand = stand_of("release")
    stand.reset()
    found = (path for path in sorted(stand.data.rglob(f"*{suffix}")))
    return [path for path in found if path.relative_to(stand.data).as_posix().startswith(LAYERS)]


def _flip(path: Path, place: int, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.unlink()  # it has other names
    path.write_bytes(content)


def _flipped_part(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """Other names or types of columns count as found: rows are read by the columns that are declared."""
    parts = _files(".parquet")
    sound = {path: _rows(path) for path in parts}
    for seed in seeds:
        random = chance("flip", seed)
        part = random.choice(parts)
        path = ground / part.name
        shutil.copyfile(part, path)
        place, bit = random.randrange(path.stat().st_size), random.randrange(8)
        _flip(path, place, bit)
        named = hashlib.sha256(path.read_bytes()).hexdigest()[:12] in part.name
        read = _rows(path)
        if named or (read is not None and read != sound[part] and read[0] == sound[part][0]):
            yield f"{part.name}, byte {place} of {path.stat().st_size}, bit {bit}: other rows are read"
        else:
            yield None
        path.unlink()


def _rows(path: Path) -> tuple[str, bytes] | None:
    """The columns, and the rows in one piece; None where they can't be read."""
    try:
        batches = list(read_batches([path]))
        columns = pq.read_schema(path).remove_metadata()
        rows = pa.Table.from_batches(batches, columns).combine_chunks()
        rows.validate(full=True)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, columns) as stream:
            stream.write_table(rows)
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        return None
    return str(columns), sink.getvalue().to_pybytes()


def _flipped_beside_parts(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    """In what is no Parquet: fingerprints, buckets, the ledger's claims."""
    kinds = {
        suffix: [path for path in found if path.is_file() and path.stat().st_size]
        for suffix, found in {
            ".arrow": _files(".arrow"),
            ".buckets": sorted(stand_of("release").data.rglob("*/*.buckets")),
            ".json": sorted(path for path in _files(".json") if path.parent.name == LEDGER_NAME),
        }.items()
    }
    for seed in seeds:
        random = chance("flip beside", seed)
        suffix = random.choice(sorted(kinds))
        original = random.choice(kinds[suffix])
        path = ground / original.name
        shutil.copyfile(original, path)
        place, bit = random.randrange(path.stat().st_size), random.randrange(8)
        _flip(path, place, bit)
        found = FOUND[suffix](original, path)
        yield None if found else f"{original.name}, byte {place}, bit {bit}: nobody noticed"
        path.unlink(missing_ok=True)


def _fingerprints_are_refused(original: Path, path: Path) -> bool:
    sha256 = hashlib.sha256(original.read_bytes()).hexdigest()
    try:
        verify(Deposit("", "", Table("", "", FINGERPRINTS), path, sha256, 0))
    except DamagedPart:
        return True
    return False


def _buckets_are_swept(original: Path, path: Path) -> bool:
    return sweep(path.parent) == [path]


def _claim_is_refused_or_the_same(original: Path, path: Path) -> bool:
    if not SHA256.fullmatch(path.stem):
        return True  # a cache
    try:
        return Ledger(path.parent).claim_on(path.stem) == Ledger(original.parent).claim_on(path.stem)
    except DamagedLedger:
        return True


FOUND = {
    ".arrow": _fingerprints_are_refused,
    ".buckets": _buckets_are_swept,
    ".json": _claim_is_refused_or_the_same,
}
FAULTS = (
    Fault("flipped_bits", "40", "found, or the rows that were written", _flipped_part, quick=300, full=3000),
    Fault("flipped_beside_parts", "40", "found", _flipped_beside_parts, quick=60, full=3000),
)
