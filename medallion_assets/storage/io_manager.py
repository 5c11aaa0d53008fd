"""The IO manager: Dagster's way in and out of the partition store.

Belongs here: partition keys of a run, conversions by type annotation, metadata per partition. Does not:
any promise about bytes; those are the store's (store.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import dagster as dg
import pyarrow as pa

from medallion_assets.roots import Roots
from medallion_assets.schemas import Column, TableSchema
from medallion_assets.storage import catalogue
from medallion_assets.storage.manifest import Digests, Manifest
from medallion_assets.storage.memory import kept_for_the_next_batch
from medallion_assets.storage.parts import read_batches
from medallion_assets.storage.store import Append, Build, MissingPartition, PartitionStore, Table, Written

UNPARTITIONED = "all"


class HasTable(Protocol):
    """What has a table. Asked late, since gold's depends on its tokenizer's files."""

    @property
    def table(self) -> Table: ...


@dataclass(frozen=True)
class PartitionBuilds:
    """What a stage hands over: its table, and how to make each partition; nothing has been made yet.

    `metadata` is what else to show of a partition, asked once it is written.
    """

    table: Table
    builds: Mapping[str, Build | Append]
    metadata: Callable[[str], Mapping[str, Any]] = field(default=lambda key: {})


class MedallionIOManager(dg.IOManager):
    """Overwrites whole partitions in Parquet and hands them on as whatever the reader asks for.

    An asset may return PartitionBuilds; rows (pandas, pyarrow, a DuckDB relation) for a run of one
    partition; or a mapping from partition key to rows for a range. An input annotated as
    pandas.DataFrame, pyarrow.Table, pyarrow.dataset.Dataset or duckdb.DuckDBPyRelation is loaded as that,
    as a pyarrow.Table without annotation. `stages` have the tables whose schema is declared.
    """

    def __init__(self, roots: Roots, stages: Mapping[dg.AssetKey, HasTable]) -> None:
        self._store = PartitionStore(roots.data)
        self._roots = roots
        self._stages = dict(stages)

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        if obj is None:
            return
        given = obj if isinstance(obj, PartitionBuilds) else self._as_builds(context, obj)
        asked = context.asset_partition_keys if context.has_asset_partitions else [UNPARTITIONED]
        for key, build in sorted(given.builds.items()):
            with kept_for_the_next_batch():
                written = self._write(given.table, key, build)
            metadata = {**self._metadata(given.table, key, written), **given.metadata(key)}
            _log_outcome(context, given.table, key, written)
            if key not in asked:  # a later partition that this run settled
                event = dg.AssetMaterialization(context.asset_key, partition=key, metadata=metadata)
                context.log_event(event)
            elif context.has_asset_partitions:
                context.step_context.add_asset_metadata(metadata, partition_key=key)
            else:
                context.add_output_metadata(metadata)
        written_to = [self._store.folder(given.table, key) for key in given.builds]
        if catalogue.is_behind(self._roots.warehouse, written_to):
            catalogue.refresh(self._roots.data, self._roots.warehouse)

    def load_input(self, context: dg.InputContext) -> Any:
        table = self._table(context.asset_key)
        keys = context.asset_partition_keys if context.has_asset_partitions else [UNPARTITIONED]
        present = [key for key in keys if self._store.manifest(table, key) is not None]
        if not present:
            raise MissingPartition(table.full_name, keys[-1])
        context.log.info(f"{table.full_name}: reading {len(present)} of {len(keys)} partitions")
        paths = [str(path) for key in present for path in self._store.paths(table, key)]
        wanted = getattr(context.dagster_type.typing_type, "__name__", "")
        return READERS.get(wanted, _read_table)(paths)

    def _table(self, key: dg.AssetKey) -> Table:
        if key in self._stages:
            return self._stages[key].table
        layer, *names = key.path if len(key.path) > 1 else ["other", *key.path]
        name = "__".join(names)
        return Table(layer, name, TableSchema(name, 0, ()))

    def _as_builds(self, context: dg.OutputContext, obj: Any) -> PartitionBuilds:
        """Rows that an asset made by itself, as builds; they are compared by content, not by inputs."""
        keys = context.asset_partition_keys if context.has_asset_partitions else [UNPARTITIONED]
        if not isinstance(obj, Mapping):
            if len(keys) != 1:
                raise TypeError(
                    f"{context.asset_key.to_user_string()} was run for {len(keys)} partitions but returned "
                    f"one {type(obj).__name__}; return a mapping from partition key to rows"
                )
            obj = {keys[0]: obj}
        if unexpected := sorted(set(obj) - set(keys)):
            name = context.asset_key.to_user_string()
            raise ValueError(f"{name} returned partitions that the run did not ask for: {unexpected}")
        rows = {key: _as_arrow(value) for key, value in obj.items()}
        table = self._table(context.asset_key)
        if not table.schema.columns:
            table = Table(table.layer, table.name, _schema_of(table.name, next(iter(rows.values()))))
        return PartitionBuilds(table, {key: _build_of(value) for key, value in rows.items()})

    def _write(self, table: Table, key: str, build: Build | Append) -> Written:
        if isinstance(build, Append):
            return self._store.append(table, key, build)
        return self._store.overwrite(table, key, build)

    def _metadata(self, table: Table, key: str, written: Written) -> dict[str, Any]:
        manifest = written.manifest
        return {
            "dagster/partition_row_count": manifest.rows,
            "rows": manifest.rows,
            "rejected_rows": manifest.rejected_rows,
            "bytes": manifest.size,
            "content_hash": manifest.content_hash,
            "path": dg.MetadataValue.path(str(self._store.folder(table, key))),
            "changed": written.changed,
            **{name: _metadata_value(value) for name, value in manifest.summary.items()},
        }


def _metadata_value(value: Any) -> Any:
    """Numbers as they are, since the UI plots them; the rest as JSON, which it shows as inert text."""
    return value if isinstance(value, int | float) else dg.MetadataValue.json(value)


def _log_outcome(context: dg.OutputContext, table: Table, key: str, written: Written) -> None:
    manifest = written.manifest
    if not written.changed:
        context.log.info(f"{table.full_name} {key}: unchanged, nothing to do ({manifest.rows} rows)")
    else:
        context.log.info(f"{table.full_name} {key}: {manifest.rows} rows, {_rejected(manifest)}")


def _rejected(manifest: Manifest) -> str:
    reasons = manifest.summary.get("rejected", {})
    listed = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    return f"{manifest.rejected_rows} rejected" + (f" ({listed})" if listed else "")


def _as_arrow(value: Any) -> pa.Table:
    if isinstance(value, pa.Table):
        return value
    if hasattr(value, "to_arrow_table"):  # a DuckDB relation
        return value.to_arrow_table()
    if hasattr(value, "iloc"):  # pandas
        return pa.Table.from_pandas(value, preserve_index=False)
    raise TypeError(f"can't store a {type(value).__name__}; return pandas, pyarrow or a DuckDB relation")


def _schema_of(name: str, rows: pa.Table) -> TableSchema:
    columns = (Column(field.name, field.type, "", nullable=True) for field in rows.schema)
    return TableSchema(name, 0, tuple(columns))


def _build_of(rows: pa.Table) -> Build:
    """Rows that are there already are their own input."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows.combine_chunks())
    inputs = hashlib.sha256(sink.getvalue()).hexdigest()
    return Build(lambda: Digests(inputs=inputs, code="", config=""), lambda writer: writer.rows(rows))


def _read_table(paths: list[str]) -> pa.Table:
    import pyarrow.parquet as pq

    batches = read_batches([Path(path) for path in paths])  # which misses no row unsaid
    return pa.Table.from_batches(batches, pq.read_schema(paths[0]))


def _read_dataset(paths: list[str]) -> Any:
    import pyarrow.dataset as ds

    return ds.dataset(paths, format="parquet")


def _read_relation(paths: list[str]) -> Any:
    import duckdb

    return duckdb.connect(":memory:").read_parquet(paths)


READERS: dict[str, Callable[[list[str]], Any]] = {
    "DataFrame": lambda paths: _read_table(paths).to_pandas(),
    "Dataset": _read_dataset,
    "DuckDBPyRelation": _read_relation,
}
