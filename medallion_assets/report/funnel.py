"""The funnel of each partition: how many records landed, went on, fell out and why.

Belongs here: the numbers and their plain-text table. Does not: reading rows; manifests hold the counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from medallion_assets.stages import PipelineStages
from medallion_assets.storage.manifest import Manifest
from medallion_assets.storage.store import PartitionStore

HEADINGS = ("partition", "landed", "conformed", "kept", "bins", "tokens", "packed", "rejected")


@dataclass
class Funnel:
    """Records of one landing date, from landed to packed."""

    key: str
    landed: int = 0
    conformed: int = 0
    kept: int = 0
    bins: int = 0
    tokens: int = 0
    efficiency: float | None = None
    rejected: Counter[str] = field(default_factory=Counter)


def funnels(stages: PipelineStages, store: PartitionStore, recipe: str) -> list[Funnel]:
    """One funnel per materialized partition of the recipe, by date."""
    gold = stages.recipes[recipe]
    return [_funnel(stages, store, recipe, key) for key in store.keys(gold.table)]


def as_text(rows: Sequence[Funnel]) -> str:
    """A table for the terminal."""
    cells = [HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADINGS) - 1)]
    lines = [
        "  ".join([*(cell.rjust(width) for cell, width in zip(line, widths, strict=False)), line[-1]])
        for line in cells
    ]
    lines.insert(1, "  ".join("-" * width for width in (*widths, len(HEADINGS[-1]))))
    return "\n".join(lines)


def _funnel(stages: PipelineStages, store: PartitionStore, recipe: str, key: str) -> Funnel:
    gold = stages.recipes[recipe]
    funnel = Funnel(key)
    for source in stages.sources:
        if source.config.unit == gold.silver.schema.name:
            funnel.landed += _rows(store.manifest(source.bronze.table, key))
            funnel.conformed += _rows(manifest := store.manifest(source.conformed.table, key))
            _count_rejects(funnel, manifest)
    unit, packed = store.manifest(gold.silver, key), store.manifest(gold.table, key)
    funnel.kept = _rows(unit)
    _count_rejects(funnel, unit)
    _count_rejects(funnel, packed)
    if packed:
        summary = packed.summary
        funnel.bins, funnel.tokens = summary["bins"], summary["tokens"]
        funnel.efficiency = summary["packing_efficiency"]
    return funnel


def _rows(manifest: Manifest | None) -> int:
    return manifest.rows if manifest else 0


def _count_rejects(funnel: Funnel, manifest: Manifest | None) -> None:
    funnel.rejected.update(manifest.summary.get("rejected", {}) if manifest else {})


def _cells(row: Funnel) -> tuple[str, ...]:
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(row.rejected.items()))
    packed = f"{row.efficiency:.2%}" if row.efficiency is not None else "-"
    numbers = (row.landed, row.conformed, row.kept, row.bins, row.tokens)
    return (row.key, *(f"{number:,}" for number in numbers), packed, reasons or "none")
