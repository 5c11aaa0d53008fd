"""Bins of gold: where a record's tokens lie, and whose tokens lie at a place.

Belongs here: spans, from lengths, record ids and offsets; where a row is a record, it is a bin of one. Does
not: the token ids themselves, or what the records are (fate.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise

from medallion_assets.schemas_gold import (
    GOLD_CURRICULUM,
    GOLD_PREFERENCE,
    GOLD_PROMPTS,
    GOLD_ROLLOUTS,
    GOLD_SFT,
)
from medallion_assets.storage.store import Table
from medallion_assets.trace.errors import NotFound, materialize
from medallion_assets.trace.reader import Reader, Row

OTHER_VERSION = "the partition was written by another version; make it again"


@dataclass(frozen=True)
class Layout:
    """SQL of what a row holds, a list each, and of whether a record is in it."""

    lengths: str = "seq_lengths"
    record_ids: str = "record_ids"
    offsets: str = "record_offsets"
    holds: str = "list_contains(record_ids, $record_id)"

    @property
    def columns(self) -> str:
        named = f"{self.lengths} AS lengths, {self.record_ids} AS ids, {self.offsets} AS offsets"
        return f"file_row_number, {named}"


def _of_rows(tokens: str) -> Layout:
    return Layout(f"[{tokens}]", "[record_id]", "[0]", "record_id = $record_id")


LAYOUTS = {
    GOLD_SFT.name: Layout(),
    GOLD_PREFERENCE.name: _of_rows("prompt_length + chosen_length + rejected_length"),
    GOLD_PROMPTS.name: _of_rows("prompt_length"),
    GOLD_CURRICULUM.name: _of_rows("prompt_length"),
    GOLD_ROLLOUTS.name: _of_rows("length"),
}


@dataclass(frozen=True)
class Span:
    """Tokens [start, end) of a bin; `bin` is its row in the partition, from 0.

    `offset` is at which of its record's own tokens it begins: not 0 where the record was split.
    """

    bin: int
    start: int
    end: int
    offset: int = 0


def spans_of(reader: Reader, gold: Table, key: str, record_id: str) -> tuple[Span, ...]:
    """Everywhere in the partition that the record's tokens lie."""
    found: list[Span] = []
    first, layout = 0, LAYOUTS[gold.schema.name]
    for part in reader.parts(gold, key):
        where = f"{layout.holds} ORDER BY file_row_number"
        values = {"record_id": record_id}
        for row in reader.select_part(layout.columns, gold, key, part, where=where, values=values):
            held = _documents(first + row["file_row_number"], row)
            found += [span for span, name in held if name == record_id]
        first += part.rows
    return tuple(found)


def documents_of(reader: Reader, gold: Table, key: str, number: int) -> list[tuple[Span, str]]:
    """The bin's documents in order: each one's span and record id."""
    if key not in reader.store.keys(gold):
        _refuse_partition(reader, gold, key)
    if is_of_another_version(reader, gold, key):
        raise NotFound(f"{OTHER_VERSION}: {materialize(gold.full_name, key)}")
    first, columns = 0, LAYOUTS[gold.schema.name].columns
    for part in reader.parts(gold, key):
        if number < first + part.rows:
            values = {"row": number - first}
            rows = reader.select_part(columns, gold, key, part, where="file_row_number = $row", values=values)
            return [document for row in rows for document in _documents(number, row)]
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


def is_of_another_version(reader: Reader, gold: Table, key: str) -> bool:
    """Whether the partition has not the columns that are looked for here."""
    manifest = reader.store.manifest(gold, key)
    return manifest is not None and manifest.schema_version != gold.schema.version


def _documents(number: int, row: Row) -> Iterator[tuple[Span, str]]:
    borders = pairwise(accumulate(row["lengths"], initial=0))
    for (start, end), name, offset in zip(borders, row["ids"], row["offsets"], strict=True):
        yield Span(number, start, end, offset), name
