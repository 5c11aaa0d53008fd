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

from medallion_assets.storage.parts import read_batches
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


FAULTS = (
    Fault("flipped_bits", "40", "found, or the rows that were written", _flipped_part, quick=300, full=3000),
)
