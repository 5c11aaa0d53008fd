"""The gold stage: a unit's silver partition, packaged as a recipe asks."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib import import_module
from typing import Any

import pyarrow as pa

from medallion_assets.fanout.rows import RowRange, Tables, ranges_to_spread
from medallion_assets.package.choose.copies import Copies
from medallion_assets.package.recipe import EVERYTHING, Packaging, Selection, Workshop
from medallion_assets.package.tokens.tokenizer import TokenizerSpec, identity, load
from medallion_assets.schemas import TableSchema
from medallion_assets.schemas_gold import GOLD_SCHEMAS
from medallion_assets.stage import OtherTable, code_digest, other_partitions
from medallion_assets.storage.manifest import Digests, digest_of
from medallion_assets.storage.parts import read_batches
from medallion_assets.storage.store import Build, PartitionStore, PartitionWriter, Table

CODE = (
    "medallion_assets.package",
    *(f"medallion_assets.package.{part}" for part in ("choose", "packing", "render", "tokens", "units")),
    "medallion_assets.records",
    "medallion_assets.schemas",
    "medallion_assets.schemas_gold",
    "medallion_assets.units",
)
# A row group holds at most this many tokens, so that long contexts need no more memory than short ones.
ROW_GROUP_TOKENS = 2 << 20


@dataclass(frozen=True)
class GoldStage:
    """Makes gold/<recipe>. Another tokenizer or other rules make another version of the table, beside it."""

    recipe: str
    silver: Table
    tokenizer: TokenizerSpec
    packaging: Packaging
    selection: Selection = EVERYTHING

    @property
    def asset_path(self) -> tuple[str, str]:
        return ("gold", self.recipe)

    @property
    def inputs(self) -> tuple[Table, ...]:
        return (self.silver,)

    @property
    def unit(self) -> str:
        return self.silver.schema.name

    @property
    def table(self) -> Table:
        """Looks at the tokenizer's files, since their hash is part of where the table lies."""
        version = digest_of([identity(self.tokenizer.folder()), self._rules, self._schema.version])
        return Table(*self.asset_path, self._schema, version=version[:12])

    @property
    def code_version(self) -> str:
        return code_digest(CODE, ("duckdb", "jinja2", "numpy", "pyarrow", "tokenizers"))

    @property
    def config_version(self) -> str:
        """What the configuration says; unlike the table's version, known without the tokenizer's files."""
        return digest_of([self.tokenizer.revision, self._rules])[:16]

    @property
    def _rules(self) -> list[dict[str, Any]]:
        return [asdict(self.packaging), asdict(self.selection)]

    @property
    def _schema(self) -> TableSchema:
        schema = GOLD_SCHEMAS[self.unit]
        rows = max(1, min(schema.row_group_rows, ROW_GROUP_TOKENS // self.packaging.max_length))
        return replace(schema, row_group_rows=rows)

    def due(self, store: PartitionStore) -> set[str]:
        return set(store.keys(self.silver))

    def reach(self, store: PartitionStore, asked: list[str]) -> list[str]:
        return other_partitions(self, store, asked)

    def build(self, store: PartitionStore, key: str) -> Build:
        version = self.table.version or ""

        def digests() -> Digests:
            silver = store.manifest(self.silver, key)
            inputs = silver.content_hash if silver else ""
            return Digests(inputs=inputs, code=self.code_version, config=version)

        def rows() -> int:
            silver = store.manifest(self.silver, key)
            return silver.rows if silver else 0

        return Build(digests, lambda writer: self._write(store, key, writer), rows)

    def _write(self, store: PartitionStore, key: str, writer: PartitionWriter) -> None:
        from medallion_assets.package.choose.copies import RejectsOnce
        from medallion_assets.package.choose.select import copies_of

        paths = store.paths(self.silver, key)
        copies = copies_of(paths, self.selection, schema=self.silver.schema, writer=writer)
        ranges = ranges_to_spread(store, self.silver, key)
        if ranges is None:
            made = self._made(read_batches(paths, self._packager.COLUMNS), copies, store)
        else:
            made = ranges.made(f"gold/{self.recipe} {key}", partial(_range, self, store, copies))
        with closing(made):
            self._packager.write(made, self._workshop(store), RejectsOnce(writer))

    def _made(
        self, batches: Iterable[pa.RecordBatch], copies: Copies | None, store: PartitionStore
    ) -> Generator[Tables, None, None]:
        """What is made of these rows of silver, each by itself."""
        from medallion_assets.package.choose.select import taken

        yield from self._packager.made(taken(batches, copies), self._workshop(store))

    @property
    def _packager(self) -> Any:
        return import_module(f"medallion_assets.package.units.{self.unit}")

    def _workshop(self, store: PartitionStore) -> Workshop:
        return Workshop(
            tokenizer=load(self.tokenizer.folder(), proofs=store.root / ".proofs"),
            packaging=self.packaging,
            schema=self._schema,
            scratch=store.root / ".scratch",
            split="test" if self.selection.takes_held_out else "train",
        )


def _range(stage: GoldStage, store: PartitionStore, copies: Copies | None, rows: RowRange) -> _Range:
    here = None if copies is None else copies[rows.first : rows.first + rows.rows]
    return _Range(stage, stage.table, store, rows, here)


@dataclass(frozen=True)
class _Range:
    """The gold of a range of rows, made where it is called."""

    stage: GoldStage
    table: Table
    store: PartitionStore
    rows: RowRange
    copies: Copies | None

    def __call__(self) -> Iterator[Tables]:
        if self.stage.table != self.table:
            raise OtherTable(self.stage.table, self.table)
        columns = self.stage._packager.COLUMNS
        return self.stage._made(self.rows.batches(columns), self.copies, self.store)
