"""From what a user calls a landed file to the exports that it can be, by the ledgers of the sources.

Belongs here: matching by bytes, by name, by SHA-256; the record on a line. Does not: how the ledger is
written (extract/inventory.py) or what became of the records (fate.py, funnel.py).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medallion_assets.extract.ledger import LEDGER_NAME, SHA256, DamagedLedger, Ledger
from medallion_assets.storage.manifest import Part
from medallion_assets.trace.errors import Ambiguous, NotFound, TraceError, materialize
from medallion_assets.trace.reader import PARTS, Reader, Row

WHOLE_EXPORT = 0


@dataclass(frozen=True)
class Landed:
    """An export of a source: the name of its first sight, and the names that its bytes came under again."""

    source: str
    sha256: str
    file: str
    landing_date: str
    size: int
    also_as: tuple[str, ...] = ()

    def answers_to(self, name: str) -> bool:
        return any(
            name == file or name.endswith(f"/{file}") or file.endswith(f"/{name}")
            for file in (self.file, *self.also_as)
        )

    def lies_at(self, name: str) -> bool:
        """Whether the name says the source's folder too."""
        names = (f"/{self.source}/{file}" for file in (self.file, *self.also_as))
        return any(f"/{name}".endswith(each) for each in names)


@dataclass(frozen=True)
class Place:
    """What names one landed record: its source, partition, export and number."""

    source: str
    landing_date: str
    export_sha256: str
    record_number: int


def exports_called(reader: Reader, name: str) -> list[Landed]:
    """One export, by path, name as landed or SHA-256, as each source that it landed in knows it."""
    path = Path(name)
    if path.is_file():
        return _with_bytes_of(reader, path)
    if SHA256.fullmatch(name.lower()):
        return _with_digest(reader, name.lower()) or _nothing(f"no export has the SHA-256 {name}")
    found = _named(reader, os.path.normpath(name))
    if len({each.sha256 for each in found}) > 1:
        choices = [f"{each.sha256}  {each.source}, {each.landing_date}, {each.file}" for each in found]
        raise Ambiguous(f"{len(found)} exports landed as {name}", choices, instead="give the SHA-256 of one")
    return found or _nothing(f"no file of that name, and no export landed as {name}")


def _nothing(what: str) -> list[Landed]:
    raise NotFound(f"{what}; an export is known to the store once its bronze partition is materialized")


def _with_bytes_of(reader: Reader, path: Path) -> list[Landed]:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if found := _with_digest(reader, sha256):
        return found
    if others := _named(reader, os.path.normpath(path)):
        choices = [f"{each.sha256}  {each.source}, {each.landing_date}, {each.file}" for each in others]
        raise Ambiguous(
            f"the bytes of {path} (SHA-256 {sha256}) have not landed, but others have under that name",
            choices,
            instead="give the SHA-256 of one",
        )
    return _nothing(f"the bytes of {path} (SHA-256 {sha256}) have not landed")


def _with_digest(reader: Reader, sha256: str) -> list[Landed]:
    found = (export_of(reader, source, sha256) for source in reader.sources())
    return [each for each in found if each is not None]


def _named(reader: Reader, name: str) -> list[Landed]:
    matching = [
        each for source in reader.sources() for each in _exports(reader, source) if each.answers_to(name)
    ]
    return [each for each in matching if each.lies_at(name)] or matching


def _exports(reader: Reader, source: str) -> Iterator[Landed]:
    exports = _ledger(reader, source).exports()
    yield from filter(None, (export_of(reader, source, sha256) for sha256 in exports))


def export_of(reader: Reader, source: str, sha256: str) -> Landed | None:
    """What the source's ledger has on these bytes."""
    ledger = _ledger(reader, source)
    try:
        claim = ledger.claim_on(sha256)
        again = ledger.other_names(sha256)
    except DamagedLedger as error:
        raise TraceError(str(error)) from error
    if claim is None:
        return None
    return Landed(source, sha256, claim.file, claim.landing_date.isoformat(), claim.size, tuple(again))


def _ledger(reader: Reader, source: str) -> Ledger:
    return Ledger(reader.store.below(reader.bronze(source), LEDGER_NAME))


def record_of(reader: Reader, export: Landed, number: int) -> Place:
    """The record with this number; that of the whole export, where it could not be taken apart."""
    asked = "record_number IN ($number, 0)"
    rows = _bronze(reader, export, f"SELECT record_number FROM {PARTS} WHERE {asked}", number=number)
    if not rows:
        total = sum(part.rows for part in _parts(reader, export))
        raise NotFound(f"{export.file} has no record {number}; its records are 1 to {total}")
    return _place(export, rows[0]["record_number"])


def record_on(reader: Reader, export: Landed, line: int) -> Place:
    """The record that covers this line of the decompressed export."""
    rows = _bronze(reader, export, LAST_BEGUN, line=line)
    if not rows:
        raise NotFound(f"line {line} of {export.file} holds no record, nor does any line before it")
    begun = rows[0]
    if begun["last"] != begun["first"] and begun["line"] == line:
        which = f"records {begun['first']} to {begun['last']}"
        raise NotFound(
            f"line {line} of {export.file} holds {which}; name one with --record instead of --line"
        )
    number = begun["last"]
    if number != WHOLE_EXPORT and begun["line"] != line:
        last_line = _bronze(reader, export, LAST_LINE, number=number)[0]["last_line"]
        if last_line < line:
            where = f"record {number}, begins on line {begun['line']}"
            raise NotFound(f"line {line} of {export.file} holds no record; the last before it, {where}")
    return _place(export, number)


LAST_BEGUN = f"""
SELECT line, min(record_number) AS first, max(record_number) AS last FROM {PARTS}
WHERE line <= $line GROUP BY line ORDER BY line DESC LIMIT 1
"""
LAST_LINE = f"""
SELECT line + length(raw) - length(replace(raw, chr(10), '')) AS last_line FROM {PARTS}
WHERE record_number = $number
"""


def _bronze(reader: Reader, export: Landed, sql: str, **values: int) -> list[Row]:
    parts = _parts(reader, export)
    return reader.query(sql, {(reader.bronze(export.source), export.landing_date): parts}, values)


def _parts(reader: Reader, export: Landed) -> list[Part]:
    """Raises NotFound where bronze does not hold the export yet."""
    table = reader.bronze(export.source)
    held = held_parts(reader, export)
    if not held:
        raise NotFound(
            f"{export.file} landed for {export.landing_date}, but {table.full_name} does not hold it yet; "
            f"take it in: {materialize(table.full_name, export.landing_date)}"
        )
    return held


def held_parts(reader: Reader, export: Landed) -> list[Part]:
    """The parts of bronze that render the export."""
    manifest = reader.store.manifest(reader.bronze(export.source), export.landing_date)
    return [part for part in manifest.parts if part.export == export.sha256] if manifest else []


def _place(export: Landed, number: int) -> Place:
    return Place(export.source, export.landing_date, export.sha256, number)
