"""An export's funnel: how many of its records are in each table, and why the others are not.

Belongs here: counts over one export. Does not: the fate of a single record (fate.py), or whole partitions
(report/funnel.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from medallion_assets.schemas import EVAL_PREFIX
from medallion_assets.storage.store import Table
from medallion_assets.trace.bins import LAYOUTS
from medallion_assets.trace.errors import materialize
from medallion_assets.trace.landed import Landed, held_parts
from medallion_assets.trace.reader import CONFORMED, PARTS, Reader

OF_EXPORT = "export_sha256 = $export AND source = $source"
IN_BINS = "record_id IN (SELECT unnest({ids}) FROM read_parquet($bins, hive_partitioning = false))"


@dataclass(frozen=True)
class Passage:
    """How many of the export's records one table kept, and its rejects by reason. `kept` is None where the
    partition is yet to be made, as `next_step` says."""

    table: str
    partition: str
    kept: int | None
    rejected: Mapping[str, int]
    next_step: str | None = None


@dataclass(frozen=True)
class ExportTrace:
    """An export of a source, and its records' passage through the tables."""

    export: Landed
    records: int
    passages: tuple[Passage, ...]


def funnel_of(reader: Reader, export: Landed) -> ExportTrace:
    """Raises nothing where bronze does not hold the export yet: the funnel then says what to do."""
    held = held_parts(reader, export)
    if not held:
        passages = (_missing(reader.bronze(export.source).full_name, export.landing_date),)
        return ExportTrace(export, 0, passages)
    return ExportTrace(export, sum(part.rows for part in held), tuple(_passages(reader, export)))


def _missing(table: str, key: str) -> Passage:
    return Passage(table, key, None, {}, materialize(table, key))


def _passages(reader: Reader, export: Landed) -> Iterator[Passage]:
    key = export.landing_date
    if export.source.startswith(EVAL_PREFIX):
        yield _passage(reader, reader.eval_items(export.source), export)
        return
    conformed = reader.conformed_by(export.source)
    if conformed is None:
        yield _missing(f"silver/{export.source}{CONFORMED}", key)
        return
    unit = reader.unit(conformed.schema.name)
    yield _passage(reader, conformed, export)
    yield _passage(reader, unit, export)
    for gold in reader.recipes(unit.schema.name):
        yield _packed(reader, gold, unit, export)


def _passage(reader: Reader, table: Table, export: Landed) -> Passage:
    key = export.landing_date
    if reader.store.manifest(table, key) is None:
        return _missing(table.full_name, key)
    parts = {(table, key): reader.parts(table, key)}
    counted = "count(DISTINCT record_number)"  # an evaluation record can hold several items
    rows = reader.query(f"SELECT {counted} AS rows FROM {PARTS} WHERE {OF_EXPORT}", parts, _values(export))
    kept = rows[0]["rows"] if rows else 0
    return Passage(table.full_name, key, kept, _rejected(reader, table, export))


def _rejected(reader: Reader, table: Table, export: Landed) -> dict[str, int]:
    rows = reader.select(
        "reason, count(*) AS rows",
        table,
        export.landing_date,
        f"{OF_EXPORT} GROUP BY reason ORDER BY reason",
        values=_values(export),
        rejects=True,
    )
    return {row["reason"]: row["rows"] for row in rows}


def _packed(reader: Reader, gold: Table, unit: Table, export: Landed) -> Passage:
    key = export.landing_date
    if reader.store.manifest(gold, key) is None:
        return _missing(gold.full_name, key)
    bins = reader.paths({(gold, key): reader.parts(gold, key)})
    kept = 0
    if bins:
        in_bins = IN_BINS.format(ids=LAYOUTS[gold.schema.name].record_ids)
        sql = f"SELECT count(*) AS rows FROM {PARTS} WHERE {OF_EXPORT} AND {in_bins}"
        rows = reader.query(sql, {(unit, key): reader.parts(unit, key)}, {**_values(export), "bins": bins})
        kept = rows[0]["rows"] if rows else 0
    return Passage(gold.full_name, key, kept, _rejected(reader, gold, export))


def _values(export: Landed) -> dict[str, object]:
    return {"export": export.sha256, "source": export.source}
