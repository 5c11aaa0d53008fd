"""The derived stage: a day's rollouts become records of another unit on the day after.

A day later, so that a unit's partition never depends on itself: rollouts answer prompts, and prompts train
the policy that draws rollouts. Does not belong here: which rollouts are chosen (harvest.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from medallion_assets.curate.clean import clean_text
from medallion_assets.curate.fingerprint import CODE as FINGERPRINT_CODE
from medallion_assets.curate.fingerprint import COMPARED, fingerprints_of
from medallion_assets.curate.gates import GATES, first_reject
from medallion_assets.curate.gates.quality import quality_gates
from medallion_assets.curate.gates.quality.thresholds import DEFAULT_QUALITY, Quality
from medallion_assets.curate.harvest import Harvested, preferences, rejection_samples
from medallion_assets.records import Rejected
from medallion_assets.schemas import PREFERENCE_UNIT, REJECTS, SFT_UNIT, UNIT_SCHEMAS
from medallion_assets.stage import code_digest, other_partitions
from medallion_assets.storage.manifest import Digests, digest_of
from medallion_assets.storage.store import Build, PartitionStore, PartitionWriter, Table

CODE = (
    *FINGERPRINT_CODE,
    "medallion_assets.curate.clean",
    "medallion_assets.curate.derived",
    "medallion_assets.curate.gates",
    "medallion_assets.curate.harvest",
    "medallion_assets.records",
    "medallion_assets.schemas",
    "medallion_assets.units",
)
NAMES = {PREFERENCE_UNIT: "rollout_preferences", SFT_UNIT: "rollout_sft"}
BATCH_ROWS = 1024


def day_before(key: str) -> str:
    return (date.fromisoformat(key) - timedelta(days=1)).isoformat()


def day_after(key: str) -> str:
    return (date.fromisoformat(key) + timedelta(days=1)).isoformat()


def days_after(store: PartitionStore, rollouts: Table) -> set[str]:
    """The days after those with rollouts: if an empty day led to another, each would ask for one more."""
    found = ((key, store.manifest(rollouts, key)) for key in store.keys(rollouts))
    return {day_after(key) for key, manifest in found if manifest and manifest.rows}


@dataclass(frozen=True)
class DerivedStage:
    """Makes silver/rollout_…_conformed from silver/rl_rollouts of the day before.

    `least` is the reward that an SFT answer must reach, or the margin that a preference must have.
    """

    rollouts: Table
    unit: str
    least: float
    quality: Quality = DEFAULT_QUALITY

    @property
    def source(self) -> str:
        return NAMES[self.unit]

    @property
    def asset_path(self) -> tuple[str, str]:
        return ("silver", f"{self.source}_conformed")

    @property
    def inputs(self) -> tuple[Table, ...]:
        return (self.rollouts,)

    @property
    def table(self) -> Table:
        return Table(*self.asset_path, UNIT_SCHEMAS[self.unit], fingerprinted=True)

    @property
    def code_version(self) -> str:
        return code_digest(CODE, ("duckdb", "msgspec", "pyarrow"))

    @property
    def config_version(self) -> str:
        return digest_of([self.unit, self.least, asdict(self.quality)])[:16]

    def due(self, store: PartitionStore) -> set[str]:
        return {*store.keys(self.table), *days_after(store, self.rollouts)}

    def reach(self, store: PartitionStore, asked: list[str]) -> list[str]:
        return other_partitions(self, store, asked)

    def build(self, store: PartitionStore, key: str) -> Build:
        def digests() -> Digests:
            rollouts = store.manifest(self.rollouts, day_before(key))
            inputs = rollouts.content_hash if rollouts and rollouts.rows else ""
            return Digests(inputs=inputs, code=self.code_version, config=self.config_version)

        return Build(digests, lambda writer: self._write(store, key, writer))

    def _write(self, store: PartitionStore, key: str, writer: PartitionWriter) -> None:
        gates = (*GATES[self.unit], *quality_gates(self.quality, self.unit))
        yesterday = day_before(key)
        paths = store.paths(self.rollouts, yesterday) if store.manifest(self.rollouts, yesterday) else []
        found = self._harvest(paths, store.root / ".scratch")
        while harvested := list(islice(found, BATCH_ROWS)):
            rows: list[dict[str, Any]] = []
            rejects: list[dict[str, Any]] = []
            for rollout, record in harvested:
                provenance = self._provenance(rollout, key)
                record.clean(clean_text)
                if reject := first_reject(record, gates):
                    rejects.append(provenance | _reject(reject, rollout))
                else:
                    rows.append(provenance | record.as_row())
            table = UNIT_SCHEMAS[self.unit].table(rows)
            writer.rows(table)
            writer.fingerprints(fingerprints_of(table, self.unit, COMPARED[self.unit]))
            writer.rejects(REJECTS.table(rejects))

    def _harvest(self, paths: list[Path], scratch: Path) -> Iterator[Harvested]:
        if self.unit == PREFERENCE_UNIT:
            return preferences(paths, min_margin=self.least, scratch=scratch)
        return rejection_samples(paths, min_reward=self.least, scratch=scratch)

    def _provenance(self, rollout: dict[str, Any], key: str) -> dict[str, Any]:
        """That of the best rollout, but landing on this day and as our own source."""
        place = {name: rollout[name] for name in ("export_sha256", "record_number", "line")}
        return {"source": self.source, "landing_date": date.fromisoformat(key), **place}


def _reject(reject: Rejected, rollout: dict[str, Any]) -> dict[str, Any]:
    detail = f"the rollout {rollout['record_id']}: {reject.detail}"
    return {"stage": "derive", "reason": reject.reason, "detail": detail, "record_id": rollout["record_id"]}
