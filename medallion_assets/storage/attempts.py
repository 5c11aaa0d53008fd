"""How often a partition was begun to be built from the same things, and never finished.

Belongs here: a small file beside the tables per partition that failed, written before the work begins, so
that a killed worker counts too. Does not: what follows from it (automation/). Deleting a file forgets it.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from medallion_assets.storage.manifest import Digests
from medallion_assets.storage.store import Build, PartitionStore, PartitionWriter, Table, Written

FOLDER_NAME = ".attempts"


class Attempts(msgspec.Struct, frozen=True):
    digests: Digests
    count: int


def counted_overwrite(store: PartitionStore, table: Table, key: str, build: Build) -> Written:
    """The store's overwrite, whose work is counted until it is finished; what is current is no attempt."""
    seen: list[Digests] = []

    def digests() -> Digests:
        seen[:] = [build.digests()]
        return seen[0]

    def write(writer: PartitionWriter) -> None:
        _begin(store.root, table, key, seen[0])
        build.write(writer)

    written = store.overwrite(table, key, Build(digests, write))
    _path(store.root, table, key).unlink(missing_ok=True)
    return written


def attempts(root: Path, table: Table, key: str, digests: Digests) -> int:
    """How many were begun on these digests since the partition was last built."""
    try:
        found = msgspec.json.decode(_path(root, table, key).read_bytes(), type=Attempts)
    except (FileNotFoundError, msgspec.DecodeError):
        return 0  # cut short by a crash at worst: one more attempt
    return found.count if found.digests == digests else 0


def state(root: Path, table: Table) -> tuple[tuple[str, int], ...]:
    """Changes with every attempt at a partition of the table."""
    folder = _folder(root, table)
    files = folder.glob("*.json") if folder.is_dir() else ()
    return tuple(sorted((file.name, file.stat().st_mtime_ns) for file in files))


def _begin(root: Path, table: Table, key: str, digests: Digests) -> None:
    """Called while the partition is locked."""
    path = _path(root, table, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    count = attempts(root, table, key, digests) + 1
    path.write_bytes(msgspec.json.encode(Attempts(digests, count)))


def _path(root: Path, table: Table, key: str) -> Path:
    return _folder(root, table) / f"{key}.json"


def _folder(root: Path, table: Table) -> Path:
    return root.joinpath(FOLDER_NAME, *filter(None, (table.layer, table.name, table.version)))
