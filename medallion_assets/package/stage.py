"""The gold stage: a unit's silver partition, packaged as a recipe asks."""

from __future__ import annotations

from dataclasses import dataclass, replace

from medallion_assets.package.tokenizer import TokenizerSpec, identity, load
from medallion_assets.schemas import GOLD_SCHEMAS, TableSchema
from medallion_assets.stage import code_digest, other_partitions
from medallion_assets.storage.manifest import Digests, digest_of
from medallion_assets.storage.store import Build, PartitionStore, PartitionWriter, Table

CODE = ("medallion_assets.package", "medallion_assets.records", "medallion_assets.schemas")
# A row group holds at most this many tokens, so that long contexts need no more memory than short ones.
ROW_GROUP_TOKENS = 2 << 20


@dataclass(frozen=True)
class GoldStage:
    """Makes gold/<recipe>. Another tokenizer or packing is another version of the table, beside the old."""

    recipe: str
    silver: Table
    tokenizer: TokenizerSpec
    max_length: int
    packing: str

    @property
    def asset_path(self) -> tuple[str, str]:
        return ("gold", self.recipe)

    @property
    def inputs(self) -> tuple[Table, ...]:
        return (self.silver,)

    @property
    def table(self) -> Table:
        """Looks at the tokenizer's files, since their hash is part of where the table lies."""
        version = digest_of(
            [identity(self.tokenizer.folder()), self.max_length, self.packing, self._schema.version]
        )
        return Table(*self.asset_path, self._schema, version=version[:12])

    @property
    def code_version(self) -> str:
        return code_digest(CODE, ("jinja2", "numpy", "pyarrow", "tokenizers", "transformers"))

    @property
    def config_version(self) -> str:
        """What the configuration says; unlike the table's version, known without the tokenizer's files."""
        return digest_of([self.tokenizer.revision, self.max_length, self.packing])[:16]

    @property
    def _schema(self) -> TableSchema:
        schema = GOLD_SCHEMAS[self.silver.schema.name]
        return replace(
            schema, row_group_rows=max(1, min(schema.row_group_rows, ROW_GROUP_TOKENS // self.max_length))
        )

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

        return Build(digests, lambda writer: self._write(store, key, writer))

    def _write(self, store: PartitionStore, key: str, writer: PartitionWriter) -> None:
        from medallion_assets.package.sft import SILVER_COLUMNS, SftRules, write_bins

        write_bins(
            store.batches(self.silver, key, SILVER_COLUMNS),
            load(self.tokenizer.folder(), proofs=store.root / ".proofs"),
            SftRules(self.max_length, self.packing),
            schema=self._schema,
            scratch=store.root / ".scratch",
            writer=writer,
        )
