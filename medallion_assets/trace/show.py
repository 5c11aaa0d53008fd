"""Traces as text for people and as JSON for machines, both harmless to a terminal.

Belongs here: words and layout. Does not: finding anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import singledispatch
from typing import Any

import msgspec

from medallion_assets.inert import inert
from medallion_assets.trace.bins import Span
from medallion_assets.trace.funnel import ExportTrace, Passage
from medallion_assets.trace.hops import Fallen, Fate, Hop, Kept, Origin, Packed, Pending
from medallion_assets.trace.landed import Landed, Place
from medallion_assets.trace.records import BinTrace, Document, RecordTrace

MAX_RAW_CHARACTERS = 200
MAX_COPIES = 10
INDENT = "  "


def as_json(value: Any) -> str:
    """ASCII only; bytes as base64."""
    text = json.dumps(msgspec.to_builtins(value), indent=1)
    return text.replace("\x7f", "\\u007f")


@singledispatch
def lines(value: Any) -> Iterator[str]:
    """The trace, a line a hop. Everything that comes from data has gone through `inert`."""
    raise TypeError(f"no words for {type(value).__name__}")


@lines.register
def _of_fate(fate: Fate) -> Iterator[str]:
    yield from _origin(fate.origin)
    yield from _way(fate)
    for derived in fate.derived:
        yield "it became:"
        yield from _indented(_way(derived, known=len(fate.hops)))


def _way(fate: Fate, *, known: int = 0) -> Iterator[str]:
    """The hops after those that have been told, and what the record repeats."""
    yield from map(_hop, fate.hops[known:])
    last = fate.hops[-1]
    if fate.survivor is not None:
        yield "it repeats:"
        yield from _indented(lines(fate.survivor))
    elif isinstance(last, Fallen) and last.twin is not None:
        yield f"it repeats record {last.twin.record_id}, which {last.table} has no longer"


def _origin(origin: Origin) -> Iterator[str]:
    where = f"record {origin.record_number}, line {origin.line}, byte {origin.byte_offset:,}"
    if origin.record_number == 0:
        where = "the whole export"
    yield f"{inert(origin.file)}: {where}"
    yield f"{_at(f'bronze/{origin.source}', origin.landing_date)}export {origin.export_sha256}"
    if origin.defect is not None:
        yield f"{INDENT}defect: {_shortened(origin.defect)}"
    yield f"{INDENT}raw: {_raw(origin)}"


def _raw(origin: Origin) -> str:
    if origin.raw is not None:
        return _shortened(origin.raw) or "(empty)"
    if origin.raw_bytes is not None:
        return _shortened(origin.raw_bytes.decode("utf-8", "backslashreplace"))
    return "(none, since the export could not be taken apart)"


def _shortened(text: str) -> str:
    """Cut before escaping, so that no escape is cut."""
    more = f" … ({len(text):,} characters)" if len(text) > MAX_RAW_CHARACTERS else ""
    return inert(text[:MAX_RAW_CHARACTERS]) + more


def _hop(hop: Hop) -> str:
    return _at(hop.table, hop.partition) + _outcome(hop)


def _at(table: str, partition: str) -> str:
    return f"{table} {partition}: "


def _packed(span: Span) -> str:
    return f"bin {span.bin} tokens [{span.start}, {span.end}){_piece(span)}"


def _piece(span: Span) -> str:
    """Of a record that was split, which part."""
    return f" from its token {span.offset} on" if span.offset else ""


def _outcome(hop: Hop) -> str:
    match hop:
        case Kept():
            return f"kept as {hop.record_id}" + (f", {inert(hop.note)}" if hop.note else "")
        case Fallen():
            similarity = hop.twin.similarity if hop.twin else None
            alike = f", similarity {similarity:g}" if similarity is not None else ""
            return f"rejected at {hop.stage}: {inert(hop.reason)} ({_shortened(hop.detail)}{alike})"
        case Packed():
            return f"packed in {', '.join(map(_packed, hop.spans))}"
        case Pending():
            return f"not materialized yet; {hop.why}"


@lines.register
def _of_record(trace: RecordTrace) -> Iterator[str]:
    yield f"record {trace.record_id}"
    yield from lines(trace.fate)
    if trace.copies:
        yield f"equal records landed {len(trace.copies)} more times:"
        yield from _indented(map(_place, trace.copies[:MAX_COPIES]))
        if len(trace.copies) > MAX_COPIES:
            yield f"{INDENT}and {len(trace.copies) - MAX_COPIES} more (all of them with --json)"


def _place(place: Place) -> str:
    return (
        f"{_at(place.source, place.landing_date)}export {place.export_sha256}, record {place.record_number}"
    )


@lines.register
def _of_bin(trace: BinTrace) -> Iterator[str]:
    number, end = trace.documents[0].span.bin, trace.documents[-1].span.end
    yield f"{_at(trace.table, trace.partition)}bin {number}, version {trace.version}"
    if trace.record is not None:
        yield f"tokens [{trace.documents[0].span.start}, {end}) are of"
        yield from lines(trace.record)
        return
    yield f"{len(trace.documents)} documents, {end:,} tokens"
    yield from _indented(map(_document, trace.documents))


def _document(document: Document) -> str:
    span = f"[{document.span.start}, {document.span.end}) {document.record_id}{_piece(document.span)}"
    if document.place is None:
        return f"{span} no longer in silver"
    source, number = document.place.source, document.place.record_number
    file = inert(document.file) if document.file else f"export {document.place.export_sha256}"
    return f"{span} {source}, {file}: record {number}, line {document.line}"


@lines.register
def _of_export(trace: ExportTrace) -> Iterator[str]:
    yield from _export(trace.export)
    yield f"{_at(f'bronze/{trace.export.source}', trace.export.landing_date)}{trace.records:,} records"
    yield from map(_passage, trace.passages)


def _export(export: Landed) -> Iterator[str]:
    yield f"{inert(export.file)}: {export.size:,} bytes"
    yield f"export {export.sha256}"
    for name in export.also_as:
        yield f"delivered again as {inert(name)}"


def _passage(passage: Passage) -> str:
    where = _at(passage.table, passage.partition)
    if passage.kept is None:
        return f"{where}not materialized yet; make it: {passage.next_step}"
    rejected = ", ".join(f"{rows:,} {inert(reason)}" for reason, rows in passage.rejected.items())
    return f"{where}{passage.kept:,} kept" + (f"; rejected {rejected}" if rejected else "")


def _indented(some: Iterator[str] | Sequence[str]) -> Iterator[str]:
    return (f"{INDENT}{line}" for line in some)
