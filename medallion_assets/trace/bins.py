"""Bins of gold: where a record's tokens lie, and whose tokens lie at a place.

Belongs here: spans, from lengths and record ids; where a row is a record, it is a bin of one. Does not: the
token ids themselves, or what the records are (fate.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from medallion_assets.schemas_gold import (
    GOLD_CURRICULUM,
    GOLD_PREFERENCE,
    GOLD_PROMPTS,
    GOLD_ROLLOUTS,
    GOLD_SFT,
)
from medallion_assets.storage.store import Table
from medallion_assets.trace.errors import NotFound, materialize
from medallion_assets.trace.reader import Reader


@dataclass(frozen=True)
class Layout:
    """SQL of a row's lengths and record ids, both lists, and of whether a record is in it."""

    lengths: str = "seq_lengths"
    record_ids: str = "record_ids"
    holds: str = "list_contains(record_ids, $record_id)"


def _of_rows(tokens: str) -> Layout:
    return Layout(f"[{tokens}]", "[record_id]", "record_id = $record_id")


LAYOUTS = {
    GOLD_SFT.name: Layout(),
    GOLD_PREFERENCE.name: _of_rows("prompt_length + chosen_length + rejected_length"),
    GOLD_PROMPTS.name: _of_rows("prompt_length"),
    GOLD_CURRICULUM.name: _of_rows("prompt_length"),
    GOLD_ROLLOUTS.name: _of_rows("length"),
}


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
        where = f"{LAYOUTS[gold.schema.name].holds} ORDER BY file_row_number"
        values = {"record_id": record_id}
        for row in reader.select_part(_columns(gold), gold, key, part, where=where, values=values):
            spans = _spans(first + row["file_row_number"], row["lengths"])
            found += [span for span, held in zip(spans, row["ids"], strict=True) if held == record_id]
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
            where = "file_row_number = $row"
            rows = reader.select_part(_columns(gold), gold, key, part, where=where, values=values)
            return [
                (span, record_id)
                for row in rows
                for span, record_id in zip(_spans(number, row["lengths"]), row["ids"], strict=True)
            ]
        first += part.rows
    bins = f"its bins are 0 to {first - 1}" if first else "it has none"
    raise NotFound(f"{gold.full_name} partition {key} has no bin {number}; {bins}")


def _columns(gold: Table) -> str:
    layout = LAYOUTS[gold.schema.name]
    return f"file_row_number, {layout.lengths} AS lengths, {layout.record_ids} AS ids"


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
