"""How often a partition was begun to be built from the same things, and never finished.

Belongs here: a small file beside the tables per partition that failed, written before the work begins, so
that a killed worker counts too. Does not: what follows from it (automation/). Deleting a file forgets it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from medallion_assets.storage.manifest import Digests

if TYPE_CHECKING:
    from medallion_assets.storage.store import Table

FOLDER_NAME = ".attempts"


class Attempts(msgspec.Struct, frozen=True):
    digests: Digests
    count: int


def begin(root: Path, table: Table, key: str, digests: Digests) -> None:
    """Counts an attempt; other digests start anew. Called by whoever holds the partition's lock."""
    path = _path(root, table, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    count = attempts(root, table, key, digests) + 1
    path.write_bytes(msgspec.json.encode(Attempts(digests, count)))


def end(root: Path, table: Table, key: str) -> None:
    """The partition is built."""
    _path(root, table, key).unlink(missing_ok=True)


def attempts(root: Path, table: Table, key: str, digests: Digests) -> int:
    """How many were begun on these digests since the partition was last built."""
    try:
        found = msgspec.json.decode(_path(root, table, key).read_bytes(), type=Attempts)
    except (FileNotFoundError, msgspec.DecodeError):
        return 0  # cut short by a crash at worst: one more attempt
    return found.count if found.digests == digests else 0


def state(root: Path, table: Table) -> tuple[tuple[str, int], ...]:
    """Changes with every attempt at a partition of the table."""
    folder = _path(root, table, "").parent
    files = folder.glob("*.json") if folder.is_dir() else ()
    return tuple(sorted((file.name, file.stat().st_mtime_ns) for file in files))


def _path(root: Path, table: Table, key: str) -> Path:
    names = filter(None, (table.layer, table.name, table.version, key))
    return root / FOLDER_NAME / f"{'/'.join(names)}.json"
