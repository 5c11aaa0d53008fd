"""From a record id, or a place in gold, to the landed records behind it.

Belongs here: the search among conformed tables, and what a bin holds. Does not: what became of the records
(fate.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from medallion_assets.records import RECORD_ID_HEX_DIGITS
from medallion_assets.schemas import EVAL_PREFIX
from medallion_assets.storage.store import Table
from medallion_assets.trace.bins import Span, document_at, documents_of
from medallion_assets.trace.errors import Ambiguous, NotFound
from medallion_assets.trace.fate import PLACE, fate_of
from medallion_assets.trace.hops import Fate
from medallion_assets.trace.landed import Place, export_of
from medallion_assets.trace.reader import PARTS, Reader, Row

MIN_PREFIX_DIGITS = 8
PREFIX = re.compile(rf"[0-9a-f]{{{MIN_PREFIX_DIGITS},{RECORD_ID_HEX_DIGITS}}}", re.ASCII)


@dataclass(frozen=True)
class RecordTrace:
    """The fate of the record that carries the id on, and where equal ones landed."""

    record_id: str
    fate: Fate
    copies: tuple[Place, ...]


@dataclass(frozen=True)
class Document:
    """A record's tokens in a bin, and where the record landed; unknown where silver has changed since."""

    span: Span
    record_id: str
    place: Place | None
    file: str | None
    line: int | None


@dataclass(frozen=True)
class BinTrace:
    """A bin of a recipe's partition; with a position, only the document there and its record's trace."""

    table: str
    version: str
    partition: str
    documents: tuple[Document, ...]
    record: RecordTrace | None = None


def record_called(reader: Reader, prefix: str) -> RecordTrace:
    """The record with this id, or with the only id that begins so."""
    wanted = prefix.lower()
    if not PREFIX.fullmatch(wanted):
        raise NotFound(
            f"{prefix!r} is no record id: that has {RECORD_ID_HEX_DIGITS} hex digits, "
            f"of which the first {MIN_PREFIX_DIGITS} are enough where no other begins so"
        )
    found = _conformed_as(reader, wanted) or _eval_items_as(reader, wanted)
    ids = sorted({row["record_id"] for row in found})
    if not ids:
        where = reader.store.place.shown()
        raise NotFound(
            f"no record's id begins with {wanted} in {where}; a record that was rejected "
            "before it had an id is found by its file and line: medallion trace file"
        )
    if len(ids) > 1:
        raise Ambiguous(f"{len(ids)} record ids begin with {wanted}", ids, instead="give more digits of one")
    return _trace(reader, ids[0], sorted({_place(row) for row in found}, key=_order))


def _trace(reader: Reader, record_id: str, places: list[Place]) -> RecordTrace:
    """Of equal records, the fate of the one that its unit kept; of the first, where it kept none."""
    chosen = next((place for place in places if _is_kept(reader, place, record_id)), places[0])
    copies = tuple(place for place in places if place != chosen)
    return RecordTrace(record_id, fate_of(reader, chosen), copies)


def _conformed_as(reader: Reader, prefix: str) -> list[Row]:
    return [row for table in reader.conformed() for row in _begins(reader, table, prefix)]


def _eval_items_as(reader: Reader, prefix: str) -> list[Row]:
    tables = (reader.eval_items(source) for source in reader.sources() if source.startswith(EVAL_PREFIX))
    return [row for table in tables for row in _begins(reader, table, prefix)]


def _begins(reader: Reader, table: Table, prefix: str) -> list[Row]:
    """Rows of all days whose id begins so: one pass over two columns' worth of bytes, as a range."""
    parts = {(table, key): reader.parts(table, key) for key in reader.store.keys(table)}
    sql = f"SELECT DISTINCT record_id, {PLACE} FROM {PARTS} WHERE record_id BETWEEN $prefix AND $last"
    return reader.query(sql, parts, {"prefix": prefix, "last": f"{prefix}g"})


def _place(row: Row) -> Place:
    return Place(row["source"], row["landing_date"], row["export_sha256"], row["record_number"])


def _order(place: Place) -> tuple[str, str, str, int]:
    return (place.landing_date, place.source, place.export_sha256, place.record_number)


def _is_kept(reader: Reader, place: Place, record_id: str) -> bool:
    table = reader.conformed_by(place.source)
    if table is None:
        return False
    unit = reader.unit(table.schema.name)
    return _kept_at(reader, unit, place.landing_date, record_id) == place


def _kept_at(reader: Reader, unit: Table, key: str, record_id: str) -> Place | None:
    """Where the unit's partition has the record from."""
    rows = reader.select(PLACE, unit, key, "record_id = $record_id", values={"record_id": record_id})
    return _place(rows[0]) if rows else None


def bin_of(reader: Reader, recipe: str, key: str, number: int, *, position: int | None = None) -> BinTrace:
    """Whose tokens are in a bin, or, with a position, at it."""
    gold = _recipe_called(reader, recipe)
    held = documents_of(reader, gold, key, number)
    if position is not None:
        held = [document_at(held, position)]
    documents = tuple(_documents(reader, gold, key, held))
    record = _record_in(reader, documents[0]) if position is not None else None
    return BinTrace(gold.full_name, gold.version or "", key, documents, record)


def _recipe_called(reader: Reader, name: str) -> Table:
    recipes = {table.name: table for table in reader.recipes()}
    if name not in recipes:
        there = f"there are: {', '.join(recipes)}" if recipes else "gold holds none yet"
        raise NotFound(f"there is no recipe {name!r} in {reader.store.place.shown()}; {there}")
    return recipes[name]


def _documents(reader: Reader, gold: Table, key: str, held: list[tuple[Span, str]]) -> Iterator[Document]:
    values = {"ids": [record_id for _, record_id in held]}
    where = "list_contains($ids, record_id)"
    silver = reader.packaged_in(gold)
    rows = reader.select(f"record_id, line, {PLACE}", silver, key, where, values=values)
    by_id = {row["record_id"]: row for row in rows}
    for span, record_id in held:
        row = by_id.get(record_id)
        place = _place(row) if row else None
        export = export_of(reader, place.source, place.export_sha256) if place else None
        yield Document(span, record_id, place, export.file if export else None, row["line"] if row else None)


def _record_in(reader: Reader, document: Document) -> RecordTrace:
    """By where silver has it from; by its id alone, where silver has changed since."""
    if document.place is None:
        return record_called(reader, document.record_id)
    return RecordTrace(document.record_id, fate_of(reader, document.place), ())
