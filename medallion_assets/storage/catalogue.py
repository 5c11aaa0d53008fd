"""The DuckDB catalogue: a file of views over the present generations, and nothing else.

Belongs here: making and replacing that file. Does not: data; delete it and the next run makes it again.
It is rebuilt beside the old one and swapped in, so whoever has it open keeps a whole, older one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from medallion_assets.storage import files
from medallion_assets.storage.manifest import MANIFEST_NAME
from medallion_assets.storage.present import generations


def refresh(data: Path, warehouse: Path) -> None:
    """Points bronze.<source>, silver.<table>, silver.rejects and gold.<recipe> at what is there now."""
    import duckdb

    files.make_folder(data)
    # The lock orders refreshes: each follows its own commit, so the last one has seen them all.
    lock = data / ".locks" / "catalogue.lock"
    with files.exclusive_lock(lock):
        lock.touch()
        as_of = lock.stat().st_mtime_ns  # by the clock that stamps manifests
        for orphan in warehouse.parent.glob(f"{files.TEMPORARY_PREFIX}*"):
            orphan.unlink()  # of a refresh that was killed: nobody else writes here
        temporary = files.temporary_beside(warehouse)
        try:
            with duckdb.connect(str(temporary)) as duck:
                for schema in ("bronze", "silver", "gold"):
                    duck.execute(f"CREATE SCHEMA {schema}")
                for name, query in sorted(_views(data).items()):
                    duck.execute(f"CREATE VIEW {name} AS {query}")
            # As old as what it shows: a partition that was committed meanwhile is newer.
            os.utime(temporary, ns=(as_of, as_of))
            # The log of somebody who wrote to the old file would keep everyone from opening the new one.
            Path(f"{warehouse}.wal").unlink(missing_ok=True)
            os.replace(temporary, warehouse)
        finally:
            temporary.unlink(missing_ok=True)


def is_behind(warehouse: Path, partitions: Iterable[Path]) -> bool:
    """Whether the file is not there, or older than one of these partitions, as a killed run leaves it."""
    if not warehouse.exists():
        return True
    made = warehouse.stat().st_mtime_ns
    return any((folder / MANIFEST_NAME).stat().st_mtime_ns >= made for folder in partitions)


def _views(data: Path) -> dict[str, str]:
    """By name, the query of each view; rejects say which table they fell out of."""
    views: dict[str, str] = {}
    rejects: list[str] = []
    for layer in ("bronze", "silver", "gold"):
        for table in sorted((data / layer).glob("*")):
            found = list(generations(table))
            if rows := [folder / part.name for folder, manifest in found for part in manifest.parts]:
                views[f'{layer}."{table.name}"'] = f"SELECT * FROM {_read(rows)}"
            if lost := [folder / part.name for folder, manifest in found for part in manifest.rejects]:
                rejects.append(f"SELECT '{layer}/{table.name}' AS rejected_by, * FROM {_read(lost)}")
    if rejects:
        views['silver."rejects"'] = " UNION ALL ".join(rejects)
    return views


def _read(paths: list[Path]) -> str:
    """Folder names are no columns: a version of digits only would become a number. By name, since partitions
    that nobody has rebuilt yet may have the columns of an older schema."""
    quoted = ("'" + str(path).replace("'", "''") + "'" for path in paths)
    return f"read_parquet([{', '.join(quoted)}], hive_partitioning = false, union_by_name = true)"
