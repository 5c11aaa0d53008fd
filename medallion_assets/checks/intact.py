"""The files of the whole store are there, and a sample of them has the bytes that were written.

Belongs here: sizes of all, hashes of some. Does not: what a run may look at behind itself (immutable.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from medallion_assets.checks.finding import PARTITION, Fault, Finding
from medallion_assets.extract.stage import BronzeStage
from medallion_assets.stage import Stage
from medallion_assets.storage.files import MISSING
from medallion_assets.storage.manifest import Manifest
from medallion_assets.storage.place import Place
from medallion_assets.storage.still import StillStore
from medallion_assets.storage.store import PartitionStore, Table

# What is read of a store in one go: some seconds.
MOST_BYTES = 2 << 30
LAST_KEY = "~"  # sorts after every key


@dataclass(frozen=True)
class _File:
    """A file that must have these bytes, and how many a look at its folder found."""

    table: str
    key: str
    place: Place
    name: str
    sha256: str
    size: int
    found: int | None

    @property
    def is_changed(self) -> bool:
        """One that is gone by now was superseded and swept meanwhile."""
        return self.place.wrong(self.name, sha256=self.sha256, size=None) not in (None, MISSING)


def damages(stages: Sequence[Stage], store: PartitionStore, *, seed: str) -> Finding:
    """Files that are gone or other ones; those to hash are chosen by the seed, and bronze's first."""
    faults: list[Fault] = []
    present: list[_File] = []
    partitions = set()
    for file in _files(stages, StillStore(store)):
        partitions.add((file.table, file.key))
        if what := _what_is_wrong(file):
            faults.append(_fault(file, what))
        else:
            present.append(file)
    hashed = list(_sample(present, seed))
    faults += [_fault(file, "has other bytes than were written") for file in hashed if file.is_changed]
    size = sum(file.size for file in hashed)
    return Finding.of(
        len(partitions), faults, files=len(present), files_hashed=len(hashed), bytes_hashed=size
    )


def _files(stages: Sequence[Stage], store: PartitionStore) -> Iterator[_File]:
    for stage in stages:
        for key, manifest in store.manifests(stage.table, upto=LAST_KEY):
            yield from _of_partition(store, stage.table, key, manifest)
        if isinstance(stage, BronzeStage) and stage.redaction is None:
            yield from _kept(stage, store)


def _of_partition(store: PartitionStore, table: Table, key: str, manifest: Manifest) -> Iterator[_File]:
    there, place = store.entries(table, key), store.below(table, f"dt={key}")
    for part in manifest.files:
        found = there[part.name].size if part.name in there else None
        yield _File(table.full_name, key, place, part.name, part.sha256, part.size, found)


def _kept(bronze: BronzeStage, store: PartitionStore) -> Iterator[_File]:
    raw = bronze.kept_exports(store)
    there = raw.entries()
    for key, manifest in store.manifests(bronze.table, upto=LAST_KEY):
        for sha256, export in manifest.summary["exports"].items():
            found = there[sha256].size if sha256 in there else None
            yield _File(bronze.table.full_name, key, raw, sha256, sha256, export["bytes"], found)


def _what_is_wrong(file: _File) -> str | None:
    if file.found is None:
        return "is gone"
    return None if file.found == file.size else f"has {file.found} bytes instead of {file.size}"


def _sample(files: Sequence[_File], seed: str) -> Iterator[_File]:
    """In an order of chance, as many as may be read: what no rebuild brings back comes first."""
    chance, left = Random(seed), MOST_BYTES  # noqa: S311  # a sample, no secret
    drawn = sorted(files, key=lambda file: (not file.table.startswith("bronze/"), chance.random()))
    for file in drawn:
        if file.size <= left:
            left -= file.size
            yield file


def _fault(file: _File, what: str) -> Fault:
    return {"table": file.table, PARTITION: file.key, "file": file.name, "what": what}
