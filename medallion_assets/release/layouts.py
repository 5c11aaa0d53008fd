"""Packed rows of SFT gold as other trainers read them: pure functions on Arrow data.

Belongs here: the layouts and their schemas. Does not: which files they become (cut.py). Columns of gold that
a layout has no place for are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from medallion_assets.package.list_columns import list_array
from medallion_assets.package.tokens.encode import IGNORED_LABEL
from medallion_assets.schemas import Column, TableSchema, list_of

GOLD_COLUMNS = ("input_ids", "labels", "seq_lengths")
Array = np.ndarray[Any, np.dtype[Any]]

MEGATRON = TableSchema(
    "megatron",
    1,
    (
        Column("input_ids", list_of(pa.int32()), "Token ids of the bin's documents, one after the other."),
        Column("loss_mask", list_of(pa.uint8()), "1 where the next token of the document is learned."),
        Column("seq_start_id", list_of(pa.int32()), "Where each document begins."),
    ),
    row_group_rows=512,
)
AXOLOTL = TableSchema(
    "axolotl",
    1,
    (
        Column("input_ids", list_of(pa.int32()), "Token ids of one document."),
        Column("attention_mask", list_of(pa.int8()), "All ones."),
        Column("labels", list_of(pa.int32()), "input_ids where the assistant speaks, else -100."),
    ),
)


@dataclass(frozen=True)
class Layout:
    """`convert` takes rows of gold in bounded batches, each by itself."""

    schema: TableSchema
    convert: Callable[[pa.RecordBatch], pa.Table]


def megatron(rows: pa.RecordBatch) -> pa.Table:
    """The mask is that of what each position predicts, so a document's last position has none."""
    ids, bins = _flat(rows, "input_ids")
    labels, _ = _flat(rows, "labels")
    lengths, documents = _flat(rows, "seq_lengths")
    starts, ends = _borders(lengths)
    learned = np.zeros(len(labels), np.uint8)
    learned[:-1] = labels[1:] != IGNORED_LABEL
    learned[ends - 1] = 0
    begins = starts - np.repeat(bins[:-1], np.diff(documents))
    columns = [
        list_array(bins, ids, MEGATRON.arrow.field("input_ids").type),
        list_array(bins, learned, MEGATRON.arrow.field("loss_mask").type),
        list_array(documents, begins, MEGATRON.arrow.field("seq_start_id").type),
    ]
    return pa.Table.from_arrays(columns, schema=MEGATRON.arrow)


def axolotl(rows: pa.RecordBatch) -> pa.Table:
    """A document a row: axolotl packs by itself."""
    ids, _ = _flat(rows, "input_ids")
    labels, _ = _flat(rows, "labels")
    lengths, _ = _flat(rows, "seq_lengths")
    borders = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    columns = [
        list_array(borders, ids, AXOLOTL.arrow.field("input_ids").type),
        list_array(borders, np.ones(len(ids), np.int8), AXOLOTL.arrow.field("attention_mask").type),
        list_array(borders, labels, AXOLOTL.arrow.field("labels").type),
    ]
    return pa.Table.from_arrays(columns, schema=AXOLOTL.arrow)


LAYOUTS = {"megatron": Layout(MEGATRON, megatron), "axolotl": Layout(AXOLOTL, axolotl)}


def _flat(rows: pa.RecordBatch, column: str) -> tuple[Array, Array]:
    """A list column's values, and where each row's begin and the last one's end."""
    lists = rows.column(column)
    offsets = lists.offsets.to_numpy()
    return lists.values.to_numpy()[offsets[0] : offsets[-1]], offsets - offsets[0]


def _borders(lengths: Array) -> tuple[Array, Array]:
    """Where each document begins and ends in the batch."""
    ends = np.cumsum(lengths, dtype=np.int64)
    return ends - lengths, ends
