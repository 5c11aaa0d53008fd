"""The IO manager: Dagster's way in and out of the partition store.

Belongs here: partition keys of a run, conversions by type annotation, metadata per partition. Does not:
any promise about bytes; those are the store's (store.py).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import dagster as dg
import pyarrow as pa

from medallion_assets.fanout.partitions import Fanout, Made, Partitions
from medallion_assets.progress import Progress
from medallion_assets.roots import Roots
from medallion_assets.schemas import Column, TableSchema
from medallion_assets.storage import catalogue
from medallion_assets.storage.manifest import Digests, Manifest
from medallion_assets.storage.parts import read_batches
from medallion_assets.storage.store import Build, MissingPartition, PartitionStore, Table, Written

UNPARTITIONED = "all"
LAST_KEY = "~"  # sorts after every key
CONTENT_HASH_SHOWN = 16  # digits that tell generations apart at a glance; the manifest has all
# Runs of more partitions say in one line what became of them; each shows it by itself in the UI.
PARTITIONS_LOGGED = 10

Show = Callable[[str], Mapping[str, Any]]


def _nothing(key: str) -> Mapping[str, Any]:
    return {}


class HasTable(Protocol):
    """What has a table. Asked late, since gold's depends on its tokenizer's files."""

    @property
    def table(self) -> Table: ...


@dataclass(frozen=True)
class PartitionBuilds:
    """What a stage hands over: its table, and how to make each partition; nothing has been made yet.

    What it is made of may `stay` in this process. `metadata` is what else to show of a partition, asked once
    it is written; `newest` what to show of the last of a run alone, since every event is kept for ever.
    """

    table: Table
    builds: Mapping[str, Made]
    stay: bool = False
    metadata: Show = field(default=_nothing)
    newest: Show = field(default=_nothing)


class MedallionIOManager(dg.IOManager):
    """Overwrites whole partitions in Parquet and hands them on as whatever the reader asks for.

    An asset may return PartitionBuilds; rows (pandas, pyarrow, a DuckDB relation) for a run of one
    partition; or a mapping from partition key to rows for a range. An input annotated as
    pandas.DataFrame, pyarrow.Table, pyarrow.dataset.Dataset or duckdb.DuckDBPyRelation is loaded as that,
    as a pyarrow.Table without annotation. `stages` have the tables whose schema is declared; `fanout` is
    where partitions are built.
    """

    def __init__(
        self, roots: Roots, stages: Mapping[dg.AssetKey, HasTable], fanout: Fanout | None = None
    ) -> None:
        self._store = PartitionStore(roots.store)
        self._roots = roots
        self._stages = dict(stages)
        self._fanout = fanout or Fanout()

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        if obj is None:
            return
        given = obj if isinstance(obj, PartitionBuilds) else self._as_builds(context, obj)
        asked = context.asset_partition_keys if context.has_asset_partitions else [UNPARTITIONED]
        newest = max((key for key in asked if key in given.builds), default=None)
        found: dict[str, Written] = {}
        progress = Progress(given.table.full_name, len(given.builds), context.log.info)
        partitions = Partitions(self._store, given.table, given.builds, given.stay)
        with closing(partitions.written(self._fanout, progress)) as results:
            for key, written in results:
                found[key] = written
                metadata = self._metadata(
                    given, key, written, more=given.newest if key == newest else _nothing
                )
                if key not in asked:  # a later partition that this run settled
                    event = dg.AssetMaterialization(context.asset_key, partition=key, metadata=metadata)
                    context.log_event(event)
                else:
                    _show(context, key, metadata)
                progress.finish()
        if newest is not None:
            _show(context, newest, self._sizes(given.table))
        for line in _outcomes(given.table.full_name, found):
            context.log.info(line)
        if catalogue.is_behind(self._store, self._roots.warehouse, given.table, given.builds):
            catalogue.refresh(self._store.place, self._roots.warehouse)

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
        made = {key: partial(_build_of, value) for key, value in rows.items()}
        return PartitionBuilds(table, made, stay=True)

    def _metadata(self, given: PartitionBuilds, key: str, written: Written, *, more: Show) -> dict[str, Any]:
        """As the UI shows it: numbers, whose trend it also plots, then pictures, then the small print."""
        manifest = written.manifest
        return {
            "dagster/partition_row_count": manifest.rows,
            "rows": manifest.rows,
            "rejected_rows": manifest.rejected_rows,
            **{name: value for name, value in manifest.summary.items() if isinstance(value, int | float)},
            **given.metadata(key),
            **more(key),
            **{
                name: dg.MetadataValue.json(value)
                for name, value in manifest.summary.items()
                if _is_counts(value)
            },
            "bytes": manifest.size,
            "content_hash": manifest.content_hash[:CONTENT_HASH_SHOWN],
            "path": dg.MetadataValue.path(self._store.shown(given.table, key)),
            "changed": written.changed,
        }

    def _sizes(self, table: Table) -> dict[str, int]:
        """Of the whole table, which the UI shows on top of the asset's page."""
        manifests = [manifest for _, manifest in self._store.manifests(table, upto=LAST_KEY)]
        return {
            "dagster/row_count": sum(manifest.rows for manifest in manifests),
            "dagster/size_bytes": sum(manifest.size for manifest in manifests),
        }


def _is_counts(value: Any) -> bool:
    """Counts by name are shown as JSON, which is inert; deeper ones by what made them, in tables."""
    return (
        isinstance(value, Mapping) and bool(value) and not any(isinstance(e, Mapping) for e in value.values())
    )


def _show(context: dg.OutputContext, key: str, metadata: Mapping[str, Any]) -> None:
    if context.has_asset_partitions:
        context.step_context.add_asset_metadata(metadata, partition_key=key)
    else:
        context.add_output_metadata(metadata)


def _outcomes(table: str, written: Mapping[str, Written]) -> Iterator[str]:
    """A line for each partition, or one for all where a run has many: each line is an event in the log."""
    if len(written) <= PARTITIONS_LOGGED:
        yield from (_outcome(f"{table} {key}", each) for key, each in written.items())
        return
    changed = [each.manifest for each in written.values() if each.changed]
    yield (
        f"{table}: {len(written)} partitions, {len(changed)} of them changed: "
        f"{sum(manifest.rows for manifest in changed)} rows, {_rejected(changed)}"
    )


def _outcome(partition: str, written: Written) -> str:
    rows = written.manifest.rows
    if not written.changed:
        return f"{partition}: unchanged, nothing to do ({rows} rows)"
    return f"{partition}: {rows} rows, {_rejected([written.manifest])}"


def _rejected(manifests: Iterable[Manifest]) -> str:
    reasons: Counter[str] = Counter()
    for manifest in manifests:
        reasons.update(manifest.summary.get("rejected", {}))
    listed = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    return f"{reasons.total()} rejected" + (f" ({listed})" if listed else "")


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


def _build_of(rows: pa.Table, _: PartitionStore) -> Build:
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
