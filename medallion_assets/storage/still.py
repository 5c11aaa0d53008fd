"""The store held still: for asking many questions about many days at once.

Belongs here: remembering what was looked at, and telling whether it is still so. Does not: writing, which
always looks at what is stored now (store.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from medallion_assets.storage.manifest import Manifest
from medallion_assets.storage.place import Stamp
from medallion_assets.storage.store import PartitionStore, Table, table_name

State = tuple[tuple[str, Stamp], ...]


class StillStore(PartitionStore):
    """The store at one moment: each manifest is looked at once, however many days are asked about it."""

    def __init__(self, store: PartitionStore) -> None:
        super().__init__(store.place.still())
        self._stamps: dict[str, Mapping[str, Stamp]] = {}
        self._manifests: dict[tuple[str, str], Manifest | None] = {}

    def stamps(self, table: Table) -> Mapping[str, Stamp]:
        name = table_name(table)
        if name not in self._stamps:
            self._stamps[name] = super().stamps(table)
        return self._stamps[name]

    def manifests(self, table: Table, *, upto: str) -> list[tuple[str, Manifest]]:
        listed = ((key, self.manifest(table, key)) for key in self.keys(table) if key <= upto)
        return [(key, manifest) for key, manifest in listed if manifest is not None]

    def manifest(self, table: Table, key: str) -> Manifest | None:
        place = (table_name(table), key)
        if place not in self._manifests:
            self._manifests[place] = super().manifest(table, key)
        return self._manifests[place]


def state(store: PartitionStore, table: Table) -> State:
    """Of each partition, which manifest is in force: as long as this is the same, so is the table."""
    return tuple(store.stamps(table).items())
