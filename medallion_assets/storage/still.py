"""The store held still: for asking many questions about many days at once.

Belongs here: remembering what was looked at, and telling whether it is still so. Does not: writing, which
always looks at the disk (store.py).
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from medallion_assets.storage.manifest import MANIFEST_NAME, Manifest
from medallion_assets.storage.store import PartitionStore, Table

State = tuple[tuple[str, int, int], ...]


class StillStore(PartitionStore):
    """The store at one moment: each manifest is looked at once, however many days are asked about it."""

    def __init__(self, store: PartitionStore) -> None:
        super().__init__(store.root)
        self._keys: dict[Path, list[str]] = {}
        self._manifests: dict[tuple[Path, str], Manifest | None] = {}

    def keys(self, table: Table) -> list[str]:
        folder = self.table_folder(table)
        if folder not in self._keys:
            self._keys[folder] = super().keys(table)
        return self._keys[folder]

    def manifests(self, table: Table, *, upto: str) -> list[tuple[str, Manifest]]:
        listed = ((key, self.manifest(table, key)) for key in self.keys(table) if key <= upto)
        return [(key, manifest) for key, manifest in listed if manifest is not None]

    def manifest(self, table: Table, key: str) -> Manifest | None:
        place = (self.table_folder(table), key)
        if place not in self._manifests:
            self._manifests[place] = super().manifest(table, key)
        return self._manifests[place]


def state(store: PartitionStore, table: Table) -> State:
    """Of each partition, which manifest is in force: as long as this is the same, so is the table."""
    folder, found = store.table_folder(table), []
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for name in sorted(entry.name for entry in entries if entry.name.startswith("dt=")):
            with suppress(FileNotFoundError):
                status = os.stat(f"{folder}/{name}/{MANIFEST_NAME}")  # noqa: PTH116  # there are thousands
                found.append((name[3:], status.st_ino, status.st_mtime_ns))
    return tuple(found)
