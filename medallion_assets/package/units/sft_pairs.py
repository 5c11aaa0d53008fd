"""SFT gold: conversations rendered, encoded, masked and packed; one row per bin.

Belongs here: the flow from encoded rows to packed rows. Does not: encoding (conversations.py), the rules of
length and of packing (too_long.py, pack.py) or where the rows go (stage.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from medallion_assets.package.conversations import UNSHOWN_TURNS, Outcomes, Row, encoded
from medallion_assets.package.list_columns import list_array
from medallion_assets.package.packing.documents import Documents
from medallion_assets.package.packing.pack import PACKINGS
from medallion_assets.package.packing.too_long import ranges_of
from medallion_assets.package.recipe import Packaging, Workshop
from medallion_assets.package.tokens.encode import ids_and_labels
from medallion_assets.records import Rejected
from medallion_assets.schemas import ORIGIN_AND_ID, REJECTS, TableSchema

COLUMNS = (*ORIGIN_AND_ID, "messages", "tools")


def write(silver: Iterable[pa.RecordBatch], workshop: Workshop) -> None:
    """Packs a partition: every record ends in bins, whole unless long ones are cut, or in the rejects."""
    rules, schema, writer = workshop.packaging, workshop.schema, workshop.writer
    unshown = 0
    with Documents(workshop.scratch) as documents:
        for outcomes in encoded(silver, workshop.tokenizer):
            writer.rejects(REJECTS.table(_kept(outcomes, documents, rules)))
            unshown += sum(row[UNSHOWN_TURNS] for row, kept in outcomes if not isinstance(kept, Rejected))
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


def _kept(outcomes: Outcomes, documents: Documents, rules: Packaging) -> list[dict[str, Any]]:
    """Puts what goes on among the documents; returns the rejects of the others."""
    rejects = []
    for row, outcome in outcomes:
        if isinstance(outcome, Rejected):
            rejects.append(_reject(row, outcome))
        elif isinstance(ranges := ranges_of(outcome, rules), Rejected):
            rejects.append(_reject(row, ranges))
        else:
            documents.append(row["record_id"], outcome, ranges)
    return rejects


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


def _reject(row: Row, reject: Rejected) -> dict[str, Any]:
    return {
        "stage": "package",
        "reason": reject.reason,
        "detail": reject.detail,
        **{name: row[name] for name in ORIGIN_AND_ID},
    }
