"""The files of a table as it is now, for any reader of Parquet: what its manifests name, and nothing else.

Belongs here: looking from outside, by a table's name alone. Does not: the store's own reading (store.py). A
folder also holds files of superseded generations, for readers that are still at them: who takes all that lies
there takes records twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from medallion_assets.roots import Roots
from medallion_assets.schemas import TableSchema
from medallion_assets.storage.manifest import Manifest
from medallion_assets.storage.store import MissingPartition, PartitionStore, Table

LAST = "9999"


def present_files(
    table: str, *, first: str = "", last: str = LAST, data: str | Path | None = None
) -> list[Path]:
    """The files of `table`, as in "gold/sft_demo", by landing date: of all, or from `first` to `last`.

    Of a recipe, those of the version in use. They stay for an hour after they are superseded. `data` is the
    store's root or URL (default: MEDALLION_DATA). Raises MissingPartition where there are none.
    """
    store = PartitionStore(Roots.from_environment().store if data is None else data)
    layer, _, name = table.partition("/")
    there = table_called(store, layer, name)
    found = [
        (key, part)
        for key, manifest in store.manifests(there, upto=last)
        if first <= key
        for part in manifest.parts
    ]
    if not found:
        raise MissingPartition(table, f"from {first} to {last}" if first else "of any date")
    return store.files(there, found)


def generations(store: PartitionStore, layer: str) -> Iterator[tuple[Table, list[tuple[str, Manifest]]]]:
    """A layer's tables, each in its version in use if it has versions, and what is in their partitions."""
    for name in store.tables(layer):
        table = table_called(store, layer, name)
        yield table, store.manifests(table, upto=LAST)


def table_called(store: PartitionStore, layer: str, name: str) -> Table:
    """The table of that name, whoever made it: its columns are not known here."""
    return Table(layer, name, TableSchema(name, 0, ()), version=store.current_version(layer, name))
