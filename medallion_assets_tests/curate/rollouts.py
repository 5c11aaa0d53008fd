"""Rollouts, prompts and partitions made by hand, for the laws of what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from medallion_assets.schemas import ROLLOUT_UNIT, UNIT_SCHEMAS, TableSchema
from medallion_assets.stage import Stage
from medallion_assets.storage.parts import PartWriter
from medallion_assets.storage.store import Build, PartitionStore, Table
from medallion_assets.units import Message, RlPrompt, Rollout

DAYS = ("2024-09-01", "2024-09-02", "2024-09-03", "2024-09-04")
SCHEMA = UNIT_SCHEMAS[ROLLOUT_UNIT]
ROLLOUTS = Table("silver", ROLLOUT_UNIT, SCHEMA)
Row = dict[str, Any]


def rollout(
    sample: int, reward: float | None, *, prompt: str | None = "ask", answer: str | None = None, **other: Any
) -> Rollout:
    """A verified sample of run "run" in step 1."""
    return Rollout(
        **{"run": "run", "step": 1, "policy_version": 1, "reward_origin": "logged", **other},
        sample=sample,
        prompt=None if prompt is None else [Message("user", prompt)],
        completion=f"answer {sample}" if answer is None else answer,
        reward=reward,
    )


def landed(record: Rollout | RlPrompt, number: int, day: str = DAYS[0], *, source: str = "feed") -> Row:
    """The record as a row, at its place in one export."""
    place = {"export_sha256": "e" * 64, "record_number": number, "line": number}
    return record.as_row() | {"source": source, "landing_date": date.fromisoformat(day), **place}


def numbered(records: Sequence[Rollout | RlPrompt], day: str = DAYS[0]) -> list[Row]:
    return [landed(record, number, day) for number, record in enumerate(records, start=1)]


def part(folder: Path, rows: Sequence[Row], schema: TableSchema = SCHEMA) -> Path:
    """A file of these rows in this order."""
    writer = PartWriter(folder, schema, label="part")
    writer.write(schema.table(rows))
    return folder / writer.finish().name


def build(store: PartitionStore, stage: Stage, day: str) -> bool:
    """Whether a byte of the partition changed."""
    made = stage.build(store, day)
    assert isinstance(made, Build)
    return store.overwrite(stage.table, day, made).changed


def stored(store: PartitionStore, table: Table, day: str, *, rejects: bool = False) -> list[Row]:
    return [row for batch in store.batches(table, day, rejects=rejects) for row in batch.to_pylist()]


def reasons(store: PartitionStore, table: Table, day: str) -> dict[int, str]:
    """By record number, why it fell out."""
    return {row["record_number"]: row["reason"] for row in stored(store, table, day, rejects=True)}
