"""The DuckDB catalogue: a file of views over the present generations, and nothing else.

Belongs here: making and replacing that file. Does not: data; delete it and the next run makes it again.
It is rebuilt beside the old one and swapped in, so whoever has it open keeps a whole, older one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from medallion_assets.storage import files
from medallion_assets.storage.manifest import MANIFEST_NAME, Manifest
from medallion_assets.storage.store import CURRENT_VERSION_NAME


def refresh(data: Path, warehouse: Path) -> None:
    """Points bronze.<source>, silver.<table>, silver.rejects and gold.<recipe> at what is there now."""
    import duckdb

    files.make_folder(data)
    # The lock orders refreshes: each follows its own commit, so the last one has seen them all.
    with files.exclusive_lock(data / ".locks" / "catalogue.lock"):
        for orphan in warehouse.parent.glob(f"{files.TEMPORARY_PREFIX}*"):
            orphan.unlink()  # of a refresh that was killed: nobody else writes here
        temporary = files.temporary_beside(warehouse)
        try:
            with duckdb.connect(str(temporary)) as duck:
                for schema in ("bronze", "silver", "gold"):
                    duck.execute(f"CREATE SCHEMA {schema}")
                for name, paths in sorted(_views(data).items()):
                    # Folder names are no columns: a version of digits only would become a number.
                    parts = f"read_parquet({_sql_list(paths)}, hive_partitioning = false)"
                    duck.execute(f"CREATE VIEW {name} AS SELECT * FROM {parts}")
            # The log of somebody who wrote to the old file would keep everyone from opening the new one.
            Path(f"{warehouse}.wal").unlink(missing_ok=True)
            os.replace(temporary, warehouse)
        finally:
            temporary.unlink(missing_ok=True)


def _views(data: Path) -> dict[str, list[Path]]:
    views: dict[str, list[Path]] = {}
    for layer in ("bronze", "silver", "gold"):
        for table in sorted((data / layer).glob("*")):
            for folder, manifest in _generations(table):
                rows = [folder / part.name for part in manifest.parts]
                views.setdefault(f'{layer}."{table.name}"', []).extend(rows)
                rejects = [folder / part.name for part in manifest.rejects]
                views.setdefault('silver."rejects"', []).extend(rejects)
    return {name: paths for name, paths in views.items() if paths}


def _generations(table: Path) -> Iterator[tuple[Path, Manifest]]:
    """The partitions of a table, of its current version if it has versions."""
    current = table / CURRENT_VERSION_NAME
    root = table / f"v={current.read_text().strip()}" if current.exists() else table
    for manifest in sorted(root.glob(f"dt=*/{MANIFEST_NAME}")):
        yield manifest.parent, Manifest.read(manifest)


def _sql_list(paths: list[Path]) -> str:
    quoted = ("'" + str(path).replace("'", "''") + "'" for path in paths)
    return f"[{', '.join(quoted)}]"
