"""Bins of gold: where a record's tokens lie, and whose tokens lie at a place.

Belongs here: spans, from seq_lengths and record_ids. Does not: the token ids themselves, or what the
records are (fate.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from medallion_assets.storage.store import Table
from medallion_assets.trace.errors import NotFound, materialize
from medallion_assets.trace.reader import Reader

COLUMNS = "file_row_number, seq_lengths, record_ids"


@dataclass(frozen=True)
class Span:
    """Tokens [start, end) of a bin; `bin` is its row in the partition, from 0."""

    bin: int
    start: int
    end: int


def spans_of(reader: Reader, gold: Table, key: str, record_id: str) -> tuple[Span, ...]:
    """Everywhere in the partition that the record's tokens lie."""
    found: list[Span] = []
    first = 0
    for part in reader.parts(gold, key):
        where = "list_contains(record_ids, $record_id) ORDER BY file_row_number"
        values = {"record_id": record_id}
        for row in reader.select_part(COLUMNS, gold, key, part, where=where, values=values):
            spans = _spans(first + row["file_row_number"], row["seq_lengths"])
            found += [span for span, held in zip(spans, row["record_ids"], strict=True) if held == record_id]
        first += part.rows
    return tuple(found)


def documents_of(reader: Reader, gold: Table, key: str, number: int) -> list[tuple[Span, str]]:
    """The bin's documents in order: each one's span and record id."""
    if key not in reader.store.keys(gold):
        _refuse_partition(reader, gold, key)
    first = 0
    for part in reader.parts(gold, key):
        if number < first + part.rows:
            values = {"row": number - first}
            rows = reader.select_part(COLUMNS, gold, key, part, where="file_row_number = $row", values=values)
            return [
                (span, record_id)
                for row in rows
                for span, record_id in zip(_spans(number, row["seq_lengths"]), row["record_ids"], strict=True)
            ]
        first += part.rows
    bins = f"its bins are 0 to {first - 1}" if first else "it has none"
    raise NotFound(f"{gold.full_name} partition {key} has no bin {number}; {bins}")


def _refuse_partition(reader: Reader, gold: Table, key: str) -> None:
    keys = reader.store.keys(gold)
    there = f"there are {len(keys)}, {keys[0]} to {keys[-1]}" if keys else "there is none"
    raise NotFound(
        f"{gold.full_name} has no partition {key} ({there}); make it: {materialize(gold.full_name, key)}"
    )


def document_at(documents: list[tuple[Span, str]], position: int) -> tuple[Span, str]:
    """The document that holds the token at this position of the bin."""
    for span, record_id in documents:
        if span.start <= position < span.end:
            return span, record_id
    last = documents[-1][0]
    raise NotFound(f"bin {last.bin} has no token {position}; its positions are 0 to {last.end - 1}")


def _spans(number: int, lengths: list[int]) -> Iterator[Span]:
    ends = list(accumulate(lengths))
    starts = [0, *ends]
    for start, end in zip(starts, ends, strict=False):
        yield Span(number, start, end)
