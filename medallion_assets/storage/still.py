"""The store held still: for asking many questions about many days at once.

Belongs here: remembering what was looked at. Does not: writing, which always looks at the disk (store.py).
"""

from __future__ import annotations

from pathlib import Path

from medallion_assets.storage.manifest import Manifest
from medallion_assets.storage.store import PartitionStore, Table


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
