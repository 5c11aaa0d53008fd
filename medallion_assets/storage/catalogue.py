"""The DuckDB catalogue: a file of views over the present generations, and nothing else.

Belongs here: making and replacing that file, opening it. Does not: data; delete it and it is made again.
It is rebuilt beside the old one and swapped in, so whoever has it open keeps a whole, older one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from medallion_assets.roots import Roots
from medallion_assets.schemas import REJECTS
from medallion_assets.storage import files
from medallion_assets.storage.manifest import Manifest, Part, digest_of
from medallion_assets.storage.place import Place
from medallion_assets.storage.present import generations
from medallion_assets.storage.store import PartitionStore, Table

if TYPE_CHECKING:
    import duckdb

LAYERS = ("bronze", "silver", "gold")
WAREHOUSE_NAME = "warehouse.duckdb"
# Says of which files the views are: reading it takes less than making them.
NOTE_NAME = ".catalogue"
# The schema version of tables that an asset made by itself.
UNDECLARED = 0


def connect(data: str | Path | None = None) -> duckdb.DuckDBPyConnection:
    """The catalogue as it is now, for reading: DuckDB with the views of the store, wherever it lies.

    `data` is the store's root or URL (default: MEDALLION_DATA).
    """
    import duckdb

    store = PartitionStore(Roots.from_environment().store if data is None else data)
    warehouse, note, now = store.root / WAREHOUSE_NAME, store.root / NOTE_NAME, digest_of(_views(store))
    if not (warehouse.exists() and note.exists() and note.read_text() == now):
        refresh(store.place, warehouse)
        note.write_text(now)
    duck = duckdb.connect(str(warehouse), read_only=True)
    store.place.attach(duck)
    return duck


def refresh(data: Path | Place, warehouse: Path) -> None:
    """Points bronze.<source>, silver.<table>, silver.rejects and gold.<recipe> at what is there now."""
    import duckdb

    store = PartitionStore(data)
    files.make_folder(store.root)
    # The lock orders refreshes: each follows its own commit, so the last one has seen them all.
    lock = store.root / ".locks" / "catalogue.lock"
    with files.exclusive_lock(lock):
        lock.touch()
        as_of = lock.stat().st_mtime_ns  # by the clock that stamps manifests
        for orphan in warehouse.parent.glob(f"{files.TEMPORARY_PREFIX}*"):
            orphan.unlink()  # of a refresh that was killed: nobody else writes here
        temporary = files.temporary_beside(warehouse)
        try:
            views = _views(store)
            with duckdb.connect(str(temporary)) as duck:
                store.place.attach(duck)
                for schema in LAYERS:
                    duck.execute(f"CREATE SCHEMA {schema}")
                for name, query in sorted(views.items()):
                    duck.execute(f"CREATE VIEW {name} AS {query}")
            # As old as what it shows: a partition that was committed meanwhile is newer.
            os.utime(temporary, ns=(as_of, as_of))
            # The log of somebody who wrote to the old file would keep everyone from opening the new one.
            Path(f"{warehouse}.wal").unlink(missing_ok=True)
            os.replace(temporary, warehouse)
        finally:
            temporary.unlink(missing_ok=True)


def is_behind(store: PartitionStore, warehouse: Path, table: Table, keys: Iterable[str]) -> bool:
    """Whether the file is not there, or older than one of these partitions, as a killed run leaves it.

    That of a bucket is each machine's own, and made when somebody there asks for it: never by a run.
    """
    if not store.place.is_folder:
        return False
    if not warehouse.exists():
        return True
    made, stamps = warehouse.stat().st_mtime_ns, store.stamps(table)
    return any(stamps[key].written_ns >= made for key in keys if key in stamps)


def _views(store: PartitionStore) -> dict[str, str]:
    """By name, the query of each view; rejects say which table they fell out of."""
    views: dict[str, str] = {}
    rejects: list[str] = []
    for layer in LAYERS:
        for table, found in generations(store, layer):
            if query := " UNION ALL BY NAME ".join(_rows(store, table, found)):
                views[f'{layer}."{table.name}"'] = query
            lost = [(key, part) for key, manifest in found for part in manifest.rejects]
            if lost:
                read = _read(store, table, lost, by_name=REJECTS.version > 1)
                rejects.append(f"SELECT '{table.full_name}' AS rejected_by, * FROM {read}")
    if rejects:
        views['silver."rejects"'] = " UNION ALL ".join(rejects)
    return views


def _rows(store: PartitionStore, table: Table, found: Iterable[tuple[str, Manifest]]) -> Iterator[str]:
    """Partitions that nobody has rebuilt yet may have the columns of an older schema, which go by name."""
    by_version: dict[int, list[tuple[str, Part]]] = {}
    for key, manifest in found:
        by_version.setdefault(manifest.schema_version, []).extend((key, part) for part in manifest.parts)
    for version, parts in sorted(by_version.items()):
        # Only what nobody declared may have other columns in each file; telling takes a look at all of them.
        yield f"SELECT * FROM {_read(store, table, parts, by_name=version == UNDECLARED)}"


def _read(store: PartitionStore, table: Table, parts: Iterable[tuple[str, Part]], *, by_name: bool) -> str:
    """Folder names are no columns: a version of digits only would become a number."""
    there = (f"{store.shown(table, key)}/{part.name}" for key, part in parts)
    quoted = ("'" + each.replace("'", "''") + "'" for each in there)
    options = f"hive_partitioning = false, union_by_name = {str(by_name).lower()}"
    return f"read_parquet([{', '.join(quoted)}], {options})"
