"""The files of the whole store are there, and a sample of them has the bytes that were written.

Belongs here: sizes of all, hashes of some. Does not: what a run may look at behind itself (immutable.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from medallion_assets.checks.finding import PARTITION, Fault, Finding
from medallion_assets.extract.ingest import RAW_NAME
from medallion_assets.extract.stage import BronzeStage
from medallion_assets.release.verify import sha256_of
from medallion_assets.stage import Stage
from medallion_assets.storage.store import PartitionStore

# What is read of a store in one go: some seconds.
MOST_BYTES = 2 << 30


@dataclass(frozen=True)
class _File:
    """A file that must have these bytes."""

    table: str
    key: str
    path: Path
    sha256: str
    size: int


def damages(stages: Sequence[Stage], store: PartitionStore, *, seed: str) -> Finding:
    """Files that are gone or other ones; those to hash are chosen by the seed, and bronze's first."""
    faults: list[Fault] = []
    present: list[_File] = []
    partitions = set()
    for file in _files(stages, store):
        partitions.add((file.table, file.key))
        if what := _what_is_wrong(file):
            faults.append(_fault(file, what))
        else:
            present.append(file)
    hashed = list(_sample(present, seed))
    faults += [_fault(file, "has other bytes than were written") for file in hashed if _is_changed(file)]
    size = sum(file.size for file in hashed)
    return Finding.of(
        len(partitions), faults, files=len(present), files_hashed=len(hashed), bytes_hashed=size
    )


def _files(stages: Sequence[Stage], store: PartitionStore) -> Iterator[_File]:
    for stage in stages:
        table = stage.table
        for key in store.keys(table):
            if manifest := store.manifest(table, key):
                folder = store.folder(table, key)
                for part in manifest.files:
                    yield _File(table.full_name, key, folder / part.name, part.sha256, part.size)
                if isinstance(stage, BronzeStage) and stage.redaction is None:
                    raw = store.table_folder(table) / RAW_NAME
                    for sha256, export in manifest.summary["exports"].items():
                        yield _File(table.full_name, key, raw / sha256, sha256, export["bytes"])


def _what_is_wrong(file: _File) -> str | None:
    try:
        size = file.path.stat().st_size
    except FileNotFoundError:
        return "is gone"
    return None if size == file.size else f"has {size} bytes instead of {file.size}"


def _is_changed(file: _File) -> bool:
    """One that is gone by now was superseded and swept meanwhile."""
    try:
        return sha256_of(file.path) != file.sha256
    except FileNotFoundError:
        return False


def _sample(files: Sequence[_File], seed: str) -> Iterator[_File]:
    """In an order of chance, as many as may be read: what no rebuild brings back comes first."""
    chance, left = Random(seed), MOST_BYTES  # noqa: S311  # a sample, no secret
    drawn = sorted(files, key=lambda file: (not file.table.startswith("bronze/"), chance.random()))
    for file in drawn:
        if file.size <= left:
            left -= file.size
            yield file


def _fault(file: _File, what: str) -> Fault:
    return {"table": file.table, PARTITION: file.key, "file": file.path.name, "what": what}
