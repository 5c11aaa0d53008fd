"""Exact duplicates under the survivor rule, in DuckDB on keys alone.

What makes records equal is their unit's key: the record id, or what names a rollout. They have one total
order: landing date, source rank, export and record number. The first survives, wherever it is computed; of a
step that a rollout log holds twice, so, all of one writing.
Does not belong here: the rows' content, which the caller streams past the verdict (stage.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from medallion_assets.storage.duck import connect

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class KeyFiles:
    """Where one source's keys lie: its partition of the day, and those of all days before."""

    source: str
    today: Sequence[Path]
    earlier: Sequence[Path]

    @property
    def all_days(self) -> list[Path]:
        return [*self.earlier, *self.today]


@dataclass(frozen=True)
class Twin:
    """The survivor that a duplicate repeats."""

    record_id: str
    source: str
    landing_date: date


def duplicates_of_today(
    sources: Sequence[KeyFiles], *, key: str, scratch: Path
) -> dict[str, dict[tuple[str, int], Twin]]:
    """Per source, the rows of today that do not survive, by (export, record number), each with its twin.

    The order of `sources` is their rank; `key` is the column whose equal values make duplicates.
    """
    with connect(scratch) as duck:
        for name in ("today", "earlier"):
            duck.execute(
                f"CREATE TABLE {name} (key VARCHAR, record_id VARCHAR, source VARCHAR, rank INTEGER,"
                " landing_date DATE, export_sha256 VARCHAR, record_number BIGINT)"
            )
        for rank, source in enumerate(sources):
            _load(duck, "today", source.source, rank, source.today, key=key)
        for rank, source in enumerate(sources):
            _load(duck, "earlier", source.source, rank, source.earlier, key=key, where=REPEATED_TODAY)
        found = duck.sql(VERDICT).to_arrow_table()
    return _by_source(found)


# Of history only what recurs is held, so memory follows the day, not the years.
REPEATED_TODAY = "key IN (SELECT key FROM today)"
# A total ORDER BY in every window: nothing here may depend on threads or file order.
VERDICT = """
WITH contenders AS (
    SELECT *, false AS is_today FROM earlier UNION ALL SELECT *, true AS is_today FROM today
),
ranked AS (
    SELECT is_today, source, export_sha256, record_number,
        first_value(record_id) OVER survivor_order AS twin_record_id,
        first_value(source) OVER survivor_order AS twin_source,
        first_value(landing_date) OVER survivor_order AS twin_landing_date,
        row_number() OVER survivor_order AS place
    FROM contenders
    WINDOW survivor_order AS (
        PARTITION BY key ORDER BY landing_date, rank, export_sha256, record_number
    )
)
SELECT source, export_sha256, record_number, twin_record_id, twin_source, twin_landing_date
FROM ranked WHERE is_today AND place > 1
ORDER BY source, export_sha256, record_number
"""


def _load(
    duck: duckdb.DuckDBPyConnection,
    name: str,
    source: str,
    rank: int,
    paths: Sequence[Path],
    *,
    key: str,
    where: str = "true",
) -> None:
    if paths:
        duck.execute(
            f"INSERT INTO {name} SELECT {key} AS key, record_id, $source, $rank, landing_date, export_sha256,"
            f" record_number FROM read_parquet($paths) WHERE {where}",
            {"source": source, "rank": rank, "paths": [str(path) for path in paths]},
        )


def _by_source(found: pa.Table) -> dict[str, dict[tuple[str, int], Twin]]:
    verdict: dict[str, dict[tuple[str, int], Twin]] = {}
    for row in found.to_pylist():
        place = (row["export_sha256"], row["record_number"])
        twin = Twin(row["twin_record_id"], row["twin_source"], row["twin_landing_date"])
        verdict.setdefault(row["source"], {})[place] = twin
    return verdict
