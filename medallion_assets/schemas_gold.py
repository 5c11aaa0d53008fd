"""The schemas of gold, a unit each: what trainers read, with what traces it back.

Belongs here: Arrow schemas with a description per column. Does not: those of bronze and silver
(schemas.py) or what fills them (package/).
"""

from __future__ import annotations

import pyarrow as pa

from medallion_assets.schemas import SFT_UNIT, Column, TableSchema, list_of

GOLD_SFT = TableSchema(
    "gold_sft",
    2,
    (
        Column(
            "input_ids",
            list_of(pa.int32()),
            "Token ids of the bin's documents, one after the other.",
        ),
        Column(
            "labels",
            list_of(pa.int32()),
            "input_ids where the assistant speaks, else -100.",
        ),
        Column(
            "seq_lengths",
            list_of(pa.int32()),
            "Length in tokens of each document in the bin.",
        ),
        Column(
            "record_ids",
            list_of(pa.string()),
            "Record id of each document, in the order of seq_lengths.",
        ),
        Column(
            "record_offsets",
            list_of(pa.int32()),
            "At which token of its record each document begins: 0, but for the later pieces of a split one.",
        ),
    ),
    row_group_rows=1024,
)

GOLD_SCHEMAS = {SFT_UNIT: GOLD_SFT}
