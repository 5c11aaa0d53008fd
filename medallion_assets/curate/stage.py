"""The unit stage: all sources of a data unit, each content once, in a partition that knows all before it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from medallion_assets.curate import removals
from medallion_assets.curate.buckets import FOLDER_NAME
from medallion_assets.curate.dedup import twins_of_today
from medallion_assets.curate.deposits import deposits, let_go
from medallion_assets.curate.fingerprint import CODE as FINGERPRINT_CODE
from medallion_assets.curate.policy import newest_versions, split_stale
from medallion_assets.schemas import UNIT_SCHEMAS
from medallion_assets.stage import code_digest
from medallion_assets.storage.manifest import Digests, Manifest, digest_of
from medallion_assets.storage.parts import read_batches
from medallion_assets.storage.store import Build, PartitionStore, PartitionWriter, Table

CODE = (
    *FINGERPRINT_CODE,
    "medallion_assets.curate.buckets",
    "medallion_assets.curate.dedup",
    "medallion_assets.curate.deposits",
    "medallion_assets.curate.history",
    "medallion_assets.curate.lag",
    "medallion_assets.curate.policy",
    "medallion_assets.curate.removals",
    "medallion_assets.curate.stage",
    "medallion_assets.schemas",
)


@dataclass(frozen=True)
class UnitStage:
    """Makes silver/<unit> from (source, conformed table) pairs; their order is the sources' rank.

    `near_threshold` is the similarity from which records are duplicates; None looks for equal ones only.
    `contamination` says which records give an evaluation away. `max_policy_lag` bounds by how many versions
    a rollout may be behind the newest of its run so far.
    """

    unit: str
    conformed: tuple[tuple[str, Table], ...]
    max_policy_lag: int | None = None
    near_threshold: float | None = None
    contamination: Table | None = None

    @property
    def asset_path(self) -> tuple[str, str]:
        return ("silver", self.unit)

    @property
    def inputs(self) -> tuple[Table, ...]:
        return (*self.conformed_tables, *filter(None, [self.contamination]))

    @property
    def conformed_tables(self) -> tuple[Table, ...]:
        return tuple(table for _, table in self.conformed)

    @property
    def table(self) -> Table:
        return Table(*self.asset_path, UNIT_SCHEMAS[self.unit])

    @cached_property
    def code_version(self) -> str:
        return code_digest(CODE, ("duckdb", "pyarrow"))

    @cached_property
    def config_version(self) -> str:
        sources = [source for source, _ in self.conformed]
        return digest_of([sources, self.max_policy_lag, self.near_threshold])[:16]

    def due(self, store: PartitionStore) -> set[str]:
        return {key for table in self.conformed_tables for key in store.keys(table)}

    def reach(self, store: PartitionStore, asked: list[str]) -> list[str]:
        """Those whose contamination is another, and all days from the first on that received others."""
        made_by = {key: _inputs_of(store.manifest(self.table, key)) for key in store.keys(self.table)}
        judged = {key for key, then in made_by.items() if then[0] != self._contamination(store, key)}
        received = {key for key, then in made_by.items() if then[1] != self._received(store, key)}
        first = min([*asked, *received])
        return sorted(
            key for key in made_by if (key > first or key in judged | received) and key not in asked
        )

    def build(self, store: PartitionStore, key: str) -> Build:
        def digests() -> Digests:
            return Digests(
                inputs=".".join(
                    (self._contamination(store, key), self._received(store, key), self._seen(store, key))
                ),
                code=self.code_version,
                config=self.config_version,
            )

        return Build(digests, lambda writer: self._write(store, key, writer))

    def _contamination(self, store: PartitionStore, key: str) -> str:
        manifest = store.manifest(self.contamination, key) if self.contamination else None
        return manifest.content_hash if manifest and manifest.rows else "clean"

    def _received(self, store: PartitionStore, key: str) -> str:
        """What the day itself brought."""
        return digest_of(
            [
                manifest.content_hash if manifest and manifest.rows else None
                for manifest in (store.manifest(table, key) for table in self.conformed_tables)
            ]
        )[:16]

    def _seen(self, store: PartitionStore, key: str) -> str:
        """Every conformed partition up to this one, by content; an empty day is as good as none."""
        seen = [
            [source, day, manifest.content_hash]
            for source, table in self.conformed
            for day, manifest in store.manifests(table, upto=key)
            if manifest.rows
        ]
        return digest_of(seen)

    def _write(self, store: PartitionStore, key: str, writer: PartitionWriter) -> None:
        seen = deposits(store, self.conformed, upto=key)
        folder = store.root / FOLDER_NAME / self.unit
        twins = twins_of_today(seen, key, threshold=self.near_threshold, folder=folder)
        let_go()
        duplicates = removals.duplicates(store, self.unit, twins)
        contaminated = removals.contaminated(store, self.contamination, key)
        newest = self._newest_versions(store, key)
        outcomes: dict[str, Counter[str]] = {}
        for source, paths in self._today(store, key):
            repeated = duplicates.get(source, {})
            first = 0
            for batch in read_batches(paths):
                outcome = outcomes.setdefault(source, Counter())
                rows, rejects = removals.split(batch, first, repeated=repeated, given_away=contaminated)
                first += batch.num_rows
                outcome.update(rejects.column("reason").to_pylist())
                writer.rejects(rejects)
                if newest is not None and self.max_policy_lag is not None:
                    rows, stale = split_stale(rows, newest, self.max_policy_lag)
                    writer.rejects(stale)
                outcome["conformed"] += batch.num_rows
                writer.rows(rows)
        writer.summary["sources"] = outcomes

    def _today(self, store: PartitionStore, key: str) -> list[tuple[str, list[Path]]]:
        return [
            (source, store.paths(table, key))
            for source, table in self.conformed
            if store.manifest(table, key) is not None
        ]

    def _newest_versions(self, store: PartitionStore, key: str) -> dict[str, int] | None:
        if self.max_policy_lag is None:
            return None
        paths = [
            path
            for table in self.conformed_tables
            for day in store.keys(table)
            if day <= key
            for path in store.paths(table, day)
        ]
        return newest_versions(paths, scratch=store.root / ".scratch")


def _inputs_of(manifest: Manifest | None) -> list[str]:
    """The parts of a manifest's digest of inputs: contamination, what the day received, and all up to it."""
    return [*(manifest.digests.inputs if manifest else "").split("."), "", ""][:3]
