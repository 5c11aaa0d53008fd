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
    """Where one source's keys lie: in its file of the day, if it has one, and in those of all days before."""

    source: str
    today: Path | None
    earlier: Sequence[Path]

    @property
    def all_days(self) -> list[Path]:
        return [*self.earlier, *([self.today] if self.today else [])]


@dataclass(frozen=True)
class Twin:
    """The survivor that a duplicate repeats."""

    record_id: str
    source: str
    landing_date: date


def duplicates_of_today(
    sources: Sequence[KeyFiles], *, key: str, scratch: Path
) -> dict[str, dict[int, Twin]]:
    """Per source, the rows of today that do not survive, by their place in its file, each with its twin.

    The order of `sources` is their rank; `key` is the column whose equal values make duplicates. Rows go by
    place since an export that two feeds delivered is named twice in what is derived of both.
    """
    with connect(scratch) as duck:
        for name in ("today", "earlier"):
            duck.execute(
                f"CREATE TABLE {name} (key VARCHAR, record_id VARCHAR, source VARCHAR, rank INTEGER,"
                " landing_date DATE, export_sha256 VARCHAR, record_number BIGINT, row BIGINT)"
            )
        for rank, source in enumerate(sources):
            _load(duck, "today", source.source, rank, [source.today] if source.today else [], key=key)
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
    SELECT is_today, source, row,
        first_value(record_id) OVER survivor_order AS twin_record_id,
        first_value(source) OVER survivor_order AS twin_source,
        first_value(landing_date) OVER survivor_order AS twin_landing_date,
        row_number() OVER survivor_order AS place
    FROM contenders
    WINDOW survivor_order AS (
        PARTITION BY key ORDER BY landing_date, rank, export_sha256, record_number, row
    )
)
SELECT source, row, twin_record_id, twin_source, twin_landing_date
FROM ranked WHERE is_today AND place > 1
ORDER BY source, row
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
            " record_number, file_row_number FROM read_parquet($paths, file_row_number = true)"
            f" WHERE {where}",
            {"source": source, "rank": rank, "paths": [str(path) for path in paths]},
        )


def _by_source(found: pa.Table) -> dict[str, dict[int, Twin]]:
    verdict: dict[str, dict[int, Twin]] = {}
    for row in found.to_pylist():
        twin = Twin(row["twin_record_id"], row["twin_source"], row["twin_landing_date"])
        verdict.setdefault(row["source"], {})[row["row"]] = twin
    return verdict
