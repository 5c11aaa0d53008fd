"""SFT gold: conversations rendered, encoded, masked and packed; one row per bin.

Belongs here: the flow from encoded rows to packed rows. Does not: encoding (conversations.py), the rules of
packing (pack.py) or where the rows go (stage.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from medallion_assets.package.conversations import Row, encoded
from medallion_assets.package.encode import Signed, ids_and_labels
from medallion_assets.package.pack import PACKINGS
from medallion_assets.package.recipe import Packaging, Workshop
from medallion_assets.package.spill import TokenSpill
from medallion_assets.records import Rejected
from medallion_assets.schemas import REJECTS, TableSchema

PROVENANCE = ("source", "landing_date", "export_sha256", "record_number", "line", "record_id")
COLUMNS = (*PROVENANCE, "messages", "tools")


def write(silver: Iterable[pa.RecordBatch], workshop: Workshop) -> None:
    """Packs a partition: every silver record ends in exactly one bin or in the rejects."""
    rules, schema, writer = workshop.packaging, workshop.schema, workshop.writer
    record_ids: list[str] = []
    with TokenSpill(workshop.scratch) as spill:
        for outcomes in encoded(silver, workshop.tokenizer):
            rejects = []
            for row, outcome in outcomes:
                signed = outcome if isinstance(outcome, Rejected) else _fitting(outcome, rules.max_length)
                if isinstance(signed, Rejected):
                    rejects.append(_reject(row, signed))
                else:
                    record_ids.append(row["record_id"])
                    spill.append(signed)
            writer.rejects(REJECTS.table(rejects))
        bins = _planned(spill.lengths, record_ids, rules)
        for start in range(0, len(bins), schema.row_group_rows):
            chunk = bins[start : start + schema.row_group_rows]
            writer.rows(_packed_rows(chunk, spill, record_ids, schema))
        writer.summary |= _summary(spill.lengths, len(bins), rules)


def _fitting(signed: Signed, max_length: int) -> Signed | Rejected:
    if len(signed) > max_length:
        return Rejected("too_long", f"{len(signed)} tokens; max_length is {max_length}")
    if not (signed >= 0).any():
        return Rejected("nothing_to_learn", "the template leaves no token of the assistant's")
    return signed


def _planned(lengths: Sequence[int], record_ids: Sequence[str], rules: Packaging) -> list[list[int]]:
    """The bins in training order. Record ids are hashes, so sorting by them shuffles, the same way each time:
    as packed, the first bins would hold the longest documents."""
    order = sorted(range(len(lengths)), key=lambda number: (-lengths[number], record_ids[number]))
    bins = PACKINGS[rules.packing](lengths, order, rules.max_length)
    return sorted(bins, key=lambda documents: record_ids[documents[0]])


def _packed_rows(
    bins: Sequence[Sequence[int]], spill: TokenSpill, record_ids: Sequence[str], schema: TableSchema
) -> pa.Table:
    documents = [document for documents in bins for document in documents]
    lengths = np.array([spill.lengths[document] for document in documents], np.int32)
    document_borders = np.concatenate([[0], np.cumsum([len(documents) for documents in bins])]).astype(
        np.int32
    )
    token_borders = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])[document_borders].astype(
        np.int32
    )
    ids, labels = ids_and_labels(spill.gather(documents))
    columns = [
        _lists(schema, "input_ids", token_borders, ids),
        _lists(schema, "labels", token_borders, labels),
        _lists(schema, "seq_lengths", document_borders, lengths),
        _lists(schema, "record_ids", document_borders, [record_ids[document] for document in documents]),
    ]
    return pa.Table.from_arrays(columns, schema=schema.arrow)


def _lists(schema: TableSchema, column: str, borders: Any, values: Any) -> pa.Array:
    type_ = schema.arrow.field(column).type
    return pa.ListArray.from_arrays(
        pa.array(borders, pa.int32()), pa.array(values, type_.value_type), type=type_
    )


def _summary(lengths: Sequence[int], bins: int, rules: Packaging) -> dict[str, Any]:
    tokens = sum(lengths)
    room = bins * rules.max_length
    return {
        "documents": len(lengths),
        "tokens": tokens,
        "bins": bins,
        "packing_efficiency": round(tokens / room, 6) if room else None,
    }


def _reject(row: Row, reject: Rejected) -> dict[str, Any]:
    return {
        "stage": "package",
        "reason": reject.reason,
        "detail": reject.detail,
        **{name: row[name] for name in PROVENANCE},
    }
