"""CSV and TSV rows as JSON objects, strictly: {column: text} in column order.

Belongs here: RFC 4180 and text/tab-separated-values, headers, ragged rows. Does not: what the columns
mean (conform/) or guessing a dialect.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from medallion_assets.extract.lines import split_rows
from medallion_assets.extract.raw import RawRecord, UnreadableContainer

# A quoted field, or one that holds no quote and no line end.
FIELD = r'(?:"([^"]*+(?:""[^"]*+)*+)"|([^",\r\n]*+))'
CSV_FIELD = re.compile(rf"(?:\A|,){FIELD}")
CSV_ROW = re.compile(rf"{FIELD}(?:,{FIELD})*+")
encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Dialect:
    """`fields` is None where the row breaks the dialect's grammar."""

    quote: bytes | None
    fields: Callable[[str], list[str] | None]


def _csv_fields(row: str) -> list[str] | None:
    if '"' not in row and "\r" not in row:
        return row.split(",")
    if CSV_ROW.fullmatch(row) is None:
        return None
    return [quoted.replace('""', '"') if quoted else plain for quoted, plain in CSV_FIELD.findall(row)]


def _tsv_fields(row: str) -> list[str]:
    return row.split("\t")


DIALECTS = {".csv": Dialect(b'"', _csv_fields), ".tsv": Dialect(None, _tsv_fields)}


def delimited_records(
    chunks: Iterable[bytes],
    *,
    offset: int,
    limit: int,
    dialect: Dialect,
    columns: Sequence[str] | None,
) -> Iterator[RawRecord]:
    """The rows after the header, or all of them where the columns are given."""
    rows = split_rows(chunks, offset=offset, limit=limit, quote=dialect.quote)
    table = (row for row in map(_without_cr, rows) if row.raw)
    if columns is None:
        header = next(table, None)
        if header is None:
            return
        columns = _header(header, dialect)
        expected = f"the header has {len(columns)}"
    else:
        expected = f"the source declares {len(columns)}"
    for row in table:
        yield row if row.defect else _record(row, columns, dialect, expected)


def _without_cr(row: RawRecord) -> RawRecord:
    if row.raw.endswith(b"\r") and not row.defect:
        return row._replace(raw=row.raw[:-1])
    return row


def _record(row: RawRecord, columns: Sequence[str], dialect: Dialect, expected: str) -> RawRecord:
    try:
        fields = dialect.fields(row.raw.decode())
    except UnicodeDecodeError as error:
        if dialect.fields(row.raw.decode("latin-1")) is None:  # then the row may not even end where it seems
            raise _broken(row) from None
        return row._replace(defect=f"invalid_utf8: byte {error.start} of the row is not UTF-8")
    if fields is None:
        raise _broken(row)
    if len(fields) != len(columns):
        return row._replace(defect=f"ragged_row: {len(fields)} fields, {expected}")
    return RawRecord(encode(dict(zip(columns, fields, strict=True))), row.line, row.byte_offset)


def _header(row: RawRecord, dialect: Dialect) -> list[str]:
    if row.defect:
        raise UnreadableContainer("broken_csv", f"line {row.line}: the header is {row.defect}")
    try:
        columns = dialect.fields(row.raw.decode())
    except UnicodeDecodeError as error:
        raise UnreadableContainer(
            "unsupported_encoding", f"line {row.line}: byte {error.start} of the header is not UTF-8"
        ) from None
    if columns is None:
        raise _broken(row)
    for number, column in enumerate(columns, 1):
        if not column.strip():
            raise UnreadableContainer("empty_header", f"line {row.line}: column {number} has no name")
        if column in columns[: number - 1]:
            raise UnreadableContainer(
                "duplicate_header",
                f"line {row.line}: column {number} has the name of column {columns.index(column) + 1}",
            )
    return columns


def _broken(row: RawRecord) -> UnreadableContainer:
    """Says where the row stops being CSV; latin-1 keeps characters and bytes the same in number."""
    text = row.raw.decode("latin-1")
    sound = CSV_ROW.match(text)
    at = sound.end() if sound else 0
    what = "a quote inside a field or text after one" if text[at] != "\r" else "a carriage return in a field"
    line = row.line + text.count("\n", 0, at)
    return UnreadableContainer("broken_csv", f"line {line} (byte {row.byte_offset + at}): {what}")
