"""What a release is like, in numbers: its funnel by source, rejects, lengths and how full its bins are.

Belongs here: counting a recipe's ledger and rows. Does not: how they look (card.py, page.py).
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medallion_assets.release.manifest import ReleaseManifest, ledger_of
from medallion_assets.storage.duck import connect

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FILL_STEPS = 20
READ = "read_parquet($paths, hive_partitioning = false)"
SOURCES = f"""
SELECT source, count(*) FILTER (NOT coalesce(ends_with(rejected_by, '_conformed'), false)) AS conformed,
    count(*) FILTER (rejected_by IS NULL OR starts_with(rejected_by, 'gold/')) AS kept,
    count(*) FILTER (split IS NOT NULL) AS held, coalesce(sum(tokens), 0)::BIGINT AS tokens
FROM {READ} GROUP BY source ORDER BY source
"""
REJECTED = f"""
SELECT rejected_by, stage, reason, count(*) AS records FROM {READ} WHERE reason IS NOT NULL
GROUP BY ALL ORDER BY records DESC, rejected_by, stage, reason
"""
LENGTHS = f"""
SELECT 1::BIGINT << (length(bin(tokens)) - 1) AS least, count(*) FROM {READ} WHERE tokens > 0
GROUP BY ALL ORDER BY least
"""
FILL = f"""
SELECT least(list_sum(seq_lengths) * {FILL_STEPS} // $room, {FILL_STEPS - 1})::INTEGER AS step, count(*)
FROM {READ} GROUP BY ALL ORDER BY step
"""


@dataclass(frozen=True)
class SourceFunnel:
    """How many records of a source came how far; `landed` is None where it is derived from another table."""

    source: str
    landed: int | None
    conformed: int
    kept: int
    held: int
    tokens: int


@dataclass(frozen=True)
class Rejected:
    table: str
    stage: str
    reason: str
    records: int


@dataclass(frozen=True)
class Figures:
    """Of one recipe. `lengths` counts records by tokens, from a power of two to below the next; `fill` counts
    rows by how full they are, in steps of a twentieth. Both are empty where rows are not packed tokens."""

    sources: tuple[SourceFunnel, ...]
    rejected: tuple[Rejected, ...]
    lengths: tuple[tuple[int, int], ...]
    fill: tuple[tuple[int, int], ...]


def figures_of(manifest: ReleaseManifest, recipe: str, folder: Path) -> Figures:
    """From the ledger and the rows that lie in the release's folder."""
    ledger = [str(ledger_of(folder, recipe))]
    rows = [str(folder / file.path) for file in manifest.data(recipe)]
    with tempfile.TemporaryDirectory() as scratch, connect(Path(scratch)) as duck:
        landed = _landed(manifest, manifest.first_of(recipe))
        sources = (
            SourceFunnel(source, landed.get(source), *counts)
            for source, *counts in _found(duck, SOURCES, ledger)
        )
        return Figures(
            tuple(sources),
            tuple(Rejected(*row) for row in _found(duck, REJECTED, ledger)),
            tuple(_found(duck, LENGTHS, ledger)),
            tuple(_filled(duck, rows, _room(manifest, recipe))),
        )


def _landed(manifest: ReleaseManifest, first: str) -> dict[str, int]:
    """Records of each source from this day on; every source that was ever landed has a number."""
    counted = dict.fromkeys((export.source for export in manifest.exports), 0)
    for export in manifest.exports:
        if first <= export.landing_date <= manifest.last:
            counted[export.source] += export.rows
    return counted


def _room(manifest: ReleaseManifest, recipe: str) -> int:
    recipes = {each["name"]: each for each in manifest.configuration["recipes"]}
    room: int = recipes[recipe]["max_length"]
    return room


def _filled(duck: DuckDBPyConnection, paths: Sequence[str], room: int) -> list[tuple[int, int]]:
    columns = duck.execute(f"DESCRIBE FROM {READ}", {"paths": paths}).fetchall() if paths else []
    if "seq_lengths" not in {name for name, *_ in columns}:
        return []
    return _found(duck, FILL, paths, room=room)


def _found(duck: DuckDBPyConnection, sql: str, paths: Sequence[str], **values: Any) -> list[Any]:
    return duck.execute(sql, {"paths": list(paths), **values}).fetchall() if paths else []
