"""Bronze: an export's exact bytes kept by their hash, and one row per record with its provenance.

Belongs here: the raw copy and the rendering of one export. Does not: which exports there are
(inventory.py) or what their records mean (conform/).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from medallion_assets import progress
from medallion_assets.extract.containers import RawRecord, UnreadableContainer, read_records
from medallion_assets.extract.inventory import Export
from medallion_assets.extract.limits import DEFAULT_LIMITS, Limits
from medallion_assets.schemas import BRONZE
from medallion_assets.storage import files
from medallion_assets.storage.manifest import Part
from medallion_assets.storage.place import Place
from medallion_assets.storage.places import place_at
from medallion_assets.storage.store import WriteInstead

RAW_NAME = "_raw"  # in a source's folder of the store, the bytes of its exports
BATCH_ROWS = 4096
BATCH_BYTES = 32 << 20
WHOLE_EXPORT = 0  # the record number that stands for an export that can't be taken apart


class ExportChanged(RuntimeError):
    """The file's bytes are no longer those that were seen; the next scan takes what is there then."""


def keep_raw(export: Export, raw: Path | Place) -> Path:
    """Copies the export into the store under its SHA-256, once; the copy is what everything else reads.

    One that is there already is looked at: what has rotted is copied anew while the export still lies there.
    """
    raw = place_at(raw)
    if sound := raw.sound(export.sha256, as_part(export.sha256, export.size)):
        return sound
    kept = raw.root / export.sha256
    files.make_folder(raw.root)
    temporary = files.temporary_beside(kept)
    try:
        copy = files.HashingFile(temporary)
        with export.path.open("rb") as source, copy:
            while chunk := source.read(files.COPY_CHUNK_BYTES):
                copy.write(chunk)
        if copy.sha256 != export.sha256:
            raise ExportChanged(f"{export.path} changed while it was read; it will be taken at the next run")
        os.replace(temporary, kept)
        files.sync_folder(raw.root)
    finally:
        temporary.unlink(missing_ok=True)
    raw.put(export.sha256)
    return kept


def as_part(sha256: str, size: int) -> Part:
    """The exact bytes of an export as a file of the store."""
    return Part(name=sha256, sha256=sha256, rows=0, size=size)


def bronze_rows(
    export: Export,
    kept: Path,
    *,
    source: str,
    limits: Limits = DEFAULT_LIMITS,
    columns: Sequence[str] | None = None,
    scratch: Path | None = None,
    through: Callable[[Iterator[RawRecord]], Iterator[RawRecord]] = iter,
) -> Iterator[pa.Table]:
    """The export's records, as `through` lets them pass, as bronze rows in bounded batches.

    An export that can't be taken apart is quarantined whole, as one row with its defect: what could be
    read of it so far is not passed on, since nobody knows what the rest would have said.
    """
    number = 1
    try:
        records = read_records(kept, name=export.file, limits=limits, columns=columns, scratch=scratch)
        for batch in _batches(through(records)):
            yield _table(batch, export, source=source, first_number=number)
            number += len(batch)
            progress.advance(len(batch))
    except UnreadableContainer as error:
        raise WriteInstead([_quarantined(export, source=source, defect=str(error))]) from error


def _batches(records: Iterable[RawRecord]) -> Iterator[list[RawRecord]]:
    batch: list[RawRecord] = []
    size = 0
    for record in records:
        batch.append(record)
        size += len(record.raw)
        if len(batch) == BATCH_ROWS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _table(records: list[RawRecord], export: Export, *, source: str, first_number: int) -> pa.Table:
    text, undecodable = _text_columns(records)
    rows = len(records)
    columns = [
        pa.repeat(source, rows),
        pa.repeat(pa.scalar(export.landing_date, pa.date32()), rows),
        pa.repeat(export.sha256, rows),
        pa.repeat(export.file, rows),
        pa.array(range(first_number, first_number + rows), pa.int64()),
        pa.array([record.line for record in records], pa.int64()),
        pa.array([record.byte_offset for record in records], pa.int64()),
        text,
        undecodable,
        pa.array([record.defect for record in records], pa.string()),
    ]
    return pa.Table.from_arrays(columns, schema=BRONZE.arrow)


def _quarantined(export: Export, *, source: str, defect: str) -> pa.Table:
    row = {
        "source": source,
        "landing_date": export.landing_date,
        "export_sha256": export.sha256,
        "file": export.file,
        "record_number": WHOLE_EXPORT,
        "line": 0,
        "byte_offset": 0,
        "defect": defect,
    }
    return BRONZE.table([row])


def _text_columns(records: list[RawRecord]) -> tuple[pa.Array, pa.Array]:
    """The raw bytes as text where they are UTF-8, else as bytes."""
    raw = pa.array([record.raw for record in records], pa.binary())
    try:
        return raw.cast(pa.string()), pa.nulls(len(raw), pa.binary())
    except pa.ArrowInvalid:
        texts = [_decoded(record.raw) for record in records]
        rest = [None if text is not None else record.raw for text, record in zip(texts, records, strict=True)]
        return pa.array(texts, pa.string()), pa.array(rest, pa.binary())


def _decoded(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None
