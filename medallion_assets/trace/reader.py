"""Reads a store's tables: which there are, and the few rows and columns that a trace asks for.

Belongs here: discovery by folders and manifests, checks of the files, DuckDB over the right parts. Does not:
what the rows mean for a record (fate.py, bins.py, funnel.py).
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medallion_assets.schemas import (
    BRONZE,
    EVAL_ITEMS,
    RL_CURRICULUM,
    UNIT_SCHEMAS,
    TableSchema,
)
from medallion_assets.schemas_gold import GOLD_SCHEMAS
from medallion_assets.storage.duck import connect
from medallion_assets.storage.manifest import Part
from medallion_assets.storage.store import SAFE_NAME, PartitionStore, Table
from medallion_assets.trace.errors import DamagedPartition, NotFound

if TYPE_CHECKING:
    import duckdb

Row = dict[str, Any]
CONFORMED = "_conformed"
GOLD_UNITS = {schema.name: unit for unit, schema in GOLD_SCHEMAS.items()}
GOLD_BY_NAME = {schema.name: schema for schema in GOLD_SCHEMAS.values()}
PARTS = "read_parquet($paths, hive_partitioning = false, file_row_number = true)"


@contextmanager
def open_store(data: str | Path) -> Iterator[Reader]:
    """A reader of the store at a path or URL; it writes nothing there."""
    store = PartitionStore(data)
    if not any(store.tables(layer) for layer in ("bronze", "silver", "gold")):
        where = store.place.shown()
        raise NotFound(
            f"there is no store at {where}; set MEDALLION_DATA to the folder or bucket that holds bronze/"
        )
    with tempfile.TemporaryDirectory(prefix="medallion-trace-") as scratch, connect(Path(scratch)) as duck:
        yield Reader(store, duck)


class Reader:
    """The tables and rows of one store."""

    def __init__(self, store: PartitionStore, duck: duckdb.DuckDBPyConnection) -> None:
        self.store = store
        self._duck = duck

    def sources(self) -> list[str]:
        """Every feed that has landed something."""
        return self._names("bronze")

    def bronze(self, source: str) -> Table:
        return Table("bronze", source, BRONZE, append_only=True)

    def conformed(self) -> list[Table]:
        """Every source's conformed table, those derived from rollouts among them."""
        tables = (self._conformed(name) for name in self._names("silver") if name.endswith(CONFORMED))
        return [table for table in tables if table is not None]

    def conformed_by(self, source: str) -> Table | None:
        """None where nothing has been conformed yet."""
        return self._conformed(f"{source}{CONFORMED}")

    def unit(self, name: str) -> Table:
        return Table("silver", name, UNIT_SCHEMAS[name])

    def curriculum(self) -> Table:
        return Table("silver", RL_CURRICULUM.name, RL_CURRICULUM)

    def eval_items(self, source: str) -> Table:
        return Table("silver", source, EVAL_ITEMS)

    def packaged_in(self, gold: Table) -> Table:
        """The silver table that the recipe's records are from."""
        name = GOLD_UNITS[gold.schema.name]
        return self.curriculum() if name == RL_CURRICULUM.name else self.unit(name)

    def recipes(self, unit: str | None = None) -> list[Table]:
        """Gold tables, in the version that is in use; of one unit, or all."""
        tables = (self._recipe(name) for name in self._names("gold"))
        return [
            table
            for table in tables
            if table is not None and (unit is None or GOLD_UNITS[table.schema.name] == unit)
        ]

    def _names(self, layer: str) -> list[str]:
        return self.store.tables(layer)

    def _conformed(self, name: str) -> Table | None:
        table = Table("silver", name, BRONZE)
        schema = self._schema(table, UNIT_SCHEMAS)
        return Table("silver", name, schema) if schema else None

    def _recipe(self, name: str) -> Table | None:
        version = self.store.current_version("gold", name)
        if version is None or not SAFE_NAME.fullmatch(version):
            return None  # its first version is still being built
        table = Table("gold", name, BRONZE, version=version)
        schema = self._schema(table, GOLD_BY_NAME)
        return Table("gold", name, schema, version=version) if schema else None

    def _schema(self, table: Table, known: Mapping[str, TableSchema]) -> TableSchema | None:
        """As the table's newest manifest names it."""
        keys = self.store.keys(table)
        manifest = self.store.manifest(table, keys[-1]) if keys else None
        return known.get(manifest.table_schema) if manifest else None

    def parts(
        self, table: Table, key: str, *, rejects: bool = False, export: str | None = None
    ) -> list[Part]:
        """The partition's parts that hold any row; of one export, where given. None where there is none."""
        manifest = self.store.manifest(table, key)
        if manifest is None:
            return []
        parts = manifest.rejects if rejects else manifest.parts
        return [part for part in parts if part.rows and export in (None, part.export)]

    def select(
        self,
        columns: str,
        table: Table,
        key: str,
        where: str,
        *,
        values: Mapping[str, object],
        rejects: bool = False,
        export: str | None = None,
    ) -> list[Row]:
        """Rows of a partition; `columns` and `where` are SQL of our own, `values` what users gave."""
        found = []
        for part in self.parts(table, key, rejects=rejects, export=export):
            found += self.select_part(columns, table, key, part, where=where, values=values)
        return found

    def select_part(
        self, columns: str, table: Table, key: str, part: Part, *, where: str, values: Mapping[str, object]
    ) -> list[Row]:
        return self.query(f"SELECT {columns} FROM {PARTS} WHERE {where}", {(table, key): [part]}, values)

    def query(
        self,
        sql: str,
        parts: Mapping[tuple[Table, str], list[Part]],
        values: Mapping[str, object],
    ) -> list[Row]:
        """What `sql` finds in these parts, which it names $paths."""
        import duckdb

        paths = self.paths(parts)
        if not paths:
            return []
        try:
            result = self._duck.execute(sql, {"paths": paths, **values})
            names = [column[0] for column in result.description or ()]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
        except (duckdb.Error, UnicodeDecodeError):
            self._refuse_altered(parts)
            raise

    def _refuse_altered(self, parts: Mapping[tuple[Table, str], list[Part]]) -> None:
        """Only once a query has failed: hashing everything that is read would take longer than reading it."""
        for (table, key), some in parts.items():
            for part in some:
                with Path(self._path(table, key, part)).open("rb") as file:
                    if hashlib.file_digest(file, "sha256").hexdigest() != part.sha256:
                        raise DamagedPartition(table.full_name, key, f"the bytes of {part.name} have changed")

    def paths(self, parts: Mapping[tuple[Table, str], list[Part]]) -> list[str]:
        """Where the parts lie; raises DamagedPartition where one is not there, or not at its size."""
        return [self._path(table, key, part) for (table, key), some in parts.items() for part in some]

    def _path(self, table: Table, key: str, part: Part) -> str:
        try:
            path = self.store.path(table, key, part)
            size = path.stat().st_size
        except FileNotFoundError as error:
            raise DamagedPartition(table.full_name, key, f"{part.name} is missing") from error
        if size != part.size:
            why = f"{part.name} has {size} bytes; its manifest says {part.size}"
            raise DamagedPartition(table.full_name, key, why)
        return str(path)
