"""The conform stage: one source's bronze partition, parsed into its unit's schema."""

from __future__ import annotations

from dataclasses import dataclass

from medallion_assets.conform.conform import conform_batches, load_format
from medallion_assets.schemas import UNIT_SCHEMAS
from medallion_assets.stage import code_digest
from medallion_assets.storage.manifest import Digests, digest_of
from medallion_assets.storage.store import Build, PartitionStore, PartitionWriter, Table

CODE = (
    "medallion_assets.conform",
    "medallion_assets.conform.formats",
    "medallion_assets.curate.clean",
    "medallion_assets.curate.gates",
    "medallion_assets.records",
    "medallion_assets.schemas",
)


@dataclass(frozen=True)
class ConformStage:
    """Makes silver/<source>_conformed from bronze/<source>, partition by partition."""

    bronze: Table
    unit: str
    format: str

    @property
    def asset_path(self) -> tuple[str, str]:
        return ("silver", f"{self.bronze.name}_conformed")

    @property
    def inputs(self) -> tuple[Table, ...]:
        return (self.bronze,)

    @property
    def table(self) -> Table:
        return Table(*self.asset_path, UNIT_SCHEMAS[self.unit])

    @property
    def code_version(self) -> str:
        return code_digest(CODE, ("msgspec", "pyarrow"))

    @property
    def config_version(self) -> str:
        return digest_of([self.unit, self.format])[:16]

    def build(self, store: PartitionStore, key: str) -> Build:
        def digests() -> Digests:
            bronze = store.manifest(self.bronze, key)
            inputs = bronze.content_hash if bronze else ""
            return Digests(inputs=inputs, code=self.code_version, config=self.config_version)

        def write(writer: PartitionWriter) -> None:
            for rows, rejects in conform_batches(store.batches(self.bronze, key), load_format(self.format)):
                writer.rows(rows)
                writer.rejects(rejects)

        return Build(digests, write)
