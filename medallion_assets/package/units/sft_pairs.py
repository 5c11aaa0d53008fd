"""SFT gold: conversations rendered, encoded, masked and packed; one row per bin.

Belongs here: the flow from encoded rows to packed rows. Does not: encoding (conversations.py), the rules of
length and of packing (too_long.py, pack.py) or where the rows go (stage.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from medallion_assets.package.conversations import Outcomes, encoded
from medallion_assets.package.finished import Made, rejects_at
from medallion_assets.package.list_columns import borders, lengths, list_array
from medallion_assets.package.packing.documents import Documents
from medallion_assets.package.packing.pack import PACKINGS
from medallion_assets.package.packing.too_long import Ranges, ranges_of
from medallion_assets.package.recipe import Packaging, Sink, Workshop
from medallion_assets.package.tokens.encode import Flat, ids_and_labels
from medallion_assets.schemas import ORIGIN_AND_ID, TableSchema
from medallion_assets.schemas_gold import IDS

COLUMNS = (*ORIGIN_AND_ID, "messages", "tools")
# A record's id, its tokens, and start and end of each of its documents, one after the other.
CUT = pa.schema([("record_id", pa.string()), ("signed", IDS), ("ranges", IDS)])
UNSHOWN_TURNS = "unshown_turns"


def made(silver: Iterable[pa.RecordBatch], workshop: Workshop) -> Iterator[Made]:
    """Batch by batch, the documents and the rejects; and what is told of the records, beside those."""
    for outcomes in encoded(silver, workshop.tokenizer):
        unshown = outcomes.unshown[outcomes.rows].sum(keepdims=True)
        yield *_cut(outcomes, workshop.packaging), pa.table({UNSHOWN_TURNS: unshown})


def write(made: Iterable[Made], workshop: Workshop, writer: Sink) -> None:
    """Packs a partition: every record ends in bins, whole unless long ones are cut, or in the rejects."""
    rules, schema = workshop.packaging, workshop.schema
    unshown = 0
    with Documents(workshop.scratch) as documents:
        for cut, rejects, told in made:
            writer.rejects(rejects)
            for batch in cut.to_batches():
                documents.extend(*_documents(batch))
            unshown += sum(told.column(UNSHOWN_TURNS).to_pylist())
        bins = planned(documents, rules)
        for rows in packed_rows(bins, documents, schema):
            writer.rows(rows)
        writer.summary.update({**_summary(documents, len(bins), rules), UNSHOWN_TURNS: unshown})


def planned(documents: Documents, rules: Packaging) -> list[Sequence[int]]:
    """The documents of each bin, in training order."""
    bins = PACKINGS[rules.packing](documents.lengths, documents.packing_order(), rules.max_length)
    return documents.shuffled(bins)


def packed_rows(
    bins: Sequence[Sequence[int]], documents: Documents, schema: TableSchema
) -> Iterator[pa.Table]:
    """A row group at a time."""
    for start in range(0, len(bins), schema.row_group_rows):
        yield _row_group(bins[start : start + schema.row_group_rows], documents, schema)


def _cut(outcomes: Outcomes, rules: Packaging) -> tuple[pa.Table, pa.Table]:
    """What goes on, with its ranges, and the rejects of the others."""
    ranges, unfit = ranges_of(outcomes.signed, rules)
    fits = np.ones(len(outcomes.rows), bool)
    fits[[*unfit]] = False
    signed = outcomes.signed.only(fits)
    pairs = np.stack([ranges.starts, ranges.ends], axis=1).ravel()
    columns = [
        outcomes.batch.column("record_id").take(pa.array(outcomes.rows[fits])),
        list_array(signed.borders, signed.ids, IDS),
        list_array(borders(2 * np.unique(ranges.places, return_counts=True)[1]), pairs, IDS),
    ]
    late = {int(outcomes.rows[place]): reject for place, reject in unfit.items()}
    return pa.Table.from_arrays(columns, schema=CUT), rejects_at(outcomes.batch, {**outcomes.rejects, **late})


def _documents(cut: pa.RecordBatch) -> tuple[list[str], Flat, Ranges]:
    """Of each record its id, its tokens and their ranges, as _cut has put them down."""
    ids, tokens, ranges = cut.columns
    starts, ends = ranges.flatten().to_numpy().reshape(-1, 2).T
    places = np.repeat(np.arange(cut.num_rows), lengths(ranges) // 2)
    signed = Flat(tokens.flatten().to_numpy(), borders(lengths(tokens)))
    return ids.to_pylist(), signed, Ranges(places, starts, ends)


def _row_group(bins: Sequence[Sequence[int]], documents: Documents, schema: TableSchema) -> pa.Table:
    numbers = [document for bin_ in bins for document in bin_]
    lengths = np.asarray(documents.lengths)[numbers]
    document_borders = np.cumsum([0, *map(len, bins)]).astype(np.int32)
    token_borders = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])[document_borders]
    ids, labels = ids_and_labels(documents.tokens(numbers))
    found = {
        "input_ids": (token_borders, ids),
        "labels": (token_borders, labels),
        "seq_lengths": (document_borders, lengths),
        "record_ids": (document_borders, documents.record_ids(numbers)),
        "record_offsets": (document_borders, documents.offsets(numbers)),
    }
    columns = [list_array(*found[field.name], field.type) for field in schema.arrow]
    return pa.Table.from_arrays(columns, schema=schema.arrow)


def _summary(documents: Documents, bins: int, rules: Packaging) -> dict[str, Any]:
    counts, room = documents.summary(), bins * rules.max_length
    efficiency = round(counts["tokens"] / room, 6) if room else None
    return {**counts, "bins": bins, "packing_efficiency": efficiency}
