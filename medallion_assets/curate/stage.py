"""The unit stage: all sources of a data unit, each content once, in a partition that knows all before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from medallion_assets.curate.dedup import KeyFiles, Twin, duplicates_of_today
from medallion_assets.curate.policy import newest_versions, split_stale
from medallion_assets.schemas import REJECTS, ROLLOUT_UNIT, UNIT_SCHEMAS
from medallion_assets.stage import code_digest
from medallion_assets.storage.manifest import Digests, digest_of
from medallion_assets.storage.parts import read_batches
from medallion_assets.storage.store import Build, PartitionStore, PartitionWriter, Table

CODE = (
    "medallion_assets.curate.dedup",
    "medallion_assets.curate.policy",
    "medallion_assets.curate.stage",
    "medallion_assets.schemas",
)
# What makes two records of a unit the same.
KEYS = {ROLLOUT_UNIT: "rollout_key"}
PROVENANCE = ("source", "landing_date", "export_sha256", "record_number", "line", "record_id")


@dataclass(frozen=True)
class UnitStage:
    """Makes silver/<unit> from (source, conformed table) pairs; their order is the sources' rank.

    `max_policy_lag` bounds by how many versions a rollout may be behind the newest of its run so far.
    """

    unit: str
    conformed: tuple[tuple[str, Table], ...]
    max_policy_lag: int | None = None

    @property
    def asset_path(self) -> tuple[str, str]:
        return ("silver", self.unit)

    @property
    def inputs(self) -> tuple[Table, ...]:
        return tuple(table for _, table in self.conformed)

    @property
    def table(self) -> Table:
        return Table(*self.asset_path, UNIT_SCHEMAS[self.unit])

    @property
    def code_version(self) -> str:
        return code_digest(CODE, ("duckdb", "pyarrow"))

    @property
    def config_version(self) -> str:
        return digest_of([[source for source, _ in self.conformed], self.max_policy_lag])[:16]

    def due(self, store: PartitionStore) -> set[str]:
        return {key for table in self.inputs for key in store.keys(table)}

    def build(self, store: PartitionStore, key: str) -> Build:
        def digests() -> Digests:
            return Digests(
                inputs=self._inputs(store, key), code=self.code_version, config=self.config_version
            )

        return Build(digests, lambda writer: self._write(store, key, writer))

    def _inputs(self, store: PartitionStore, key: str) -> str:
        """Every conformed partition up to this one, by content; an empty day is as good as none."""
        seen = [
            [source, day, manifest.content_hash]
            for source, table in self.conformed
            for day in store.keys(table)
            if day <= key and (manifest := store.manifest(table, day)) and manifest.rows
        ]
        return digest_of(seen)

    def _write(self, store: PartitionStore, key: str, writer: PartitionWriter) -> None:
        sources = [_key_files(store, source, table, key) for source, table in self.conformed]
        scratch = store.root / ".scratch"
        twins = duplicates_of_today(sources, key=KEYS.get(self.unit, "record_id"), scratch=scratch)
        newest = self._newest_versions(sources, scratch)
        for files in sources:
            first = 0
            for batch in read_batches([files.today] if files.today else []):
                survivors, duplicates = _split(batch, first, twins.get(files.source, {}))
                first += batch.num_rows
                writer.rejects(duplicates)
                if newest is not None and self.max_policy_lag is not None:
                    survivors, stale = split_stale(survivors, newest, self.max_policy_lag)
                    writer.rejects(stale)
                writer.rows(survivors)

    def _newest_versions(self, sources: Sequence[KeyFiles], scratch: Path) -> dict[str, int] | None:
        if self.max_policy_lag is None:
            return None
        return newest_versions([path for files in sources for path in files.all_days], scratch=scratch)


def _key_files(store: PartitionStore, source: str, table: Table, key: str) -> KeyFiles:
    days = store.keys(table)
    [today] = store.paths(table, key) if key in days else [None]
    return KeyFiles(
        source=source,
        today=today,
        earlier=[path for day in days if day < key for path in store.paths(table, day)],
    )


def _split(batch: pa.RecordBatch, first: int, twins: Mapping[int, Twin]) -> tuple[pa.Table, pa.Table]:
    """Survivors and the rejects of duplicates; `first` is the place of the batch in its file."""
    rows = pa.Table.from_batches([batch])
    found = [twins.get(place) for place in range(first, first + batch.num_rows)]
    lost = rows.select(PROVENANCE).filter(pa.array([twin is not None for twin in found])).to_pylist()
    rejects = [_reject(row, twin) for row, twin in zip(lost, filter(None, found), strict=True)]
    return rows.filter(pa.array([twin is None for twin in found])), REJECTS.table(rejects)


def _reject(provenance: dict[str, Any], twin: Twin) -> dict[str, Any]:
    equal = twin.record_id == provenance["record_id"]
    what = "equal to" if equal else "the same run, step and sample as"
    return provenance | {
        "stage": "dedup",
        "reason": "exact_duplicate" if equal else "repeated_rollout",
        "detail": f"{what} a record of {twin.source} landed on {twin.landing_date}",
        "twin_record_id": twin.record_id,
        "twin_source": twin.source,
        "twin_landing_date": twin.landing_date,
        "similarity": 1.0 if equal else None,
    }
