"""Every table's schema, once: columns, types, versions and what each column means.

Belongs here: Arrow schemas with a description per column. Does not: conversions (conform/) or storage.
A change of columns is a new version here, and the partitions are rebuilt from bronze.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

SFT_PAIRS_UNIT = "sft_pairs"
DATA_UNITS = (SFT_PAIRS_UNIT, "preference_triples", "rl_prompts", "rl_rollouts")


@dataclass(frozen=True)
class Column:
    name: str
    type: pa.DataType
    description: str
    nullable: bool = False


@dataclass(frozen=True)
class TableSchema:
    """A named, versioned schema. `row_group_rows` bounds the memory of a writer and of a reader."""

    name: str
    version: int
    columns: tuple[Column, ...]
    row_group_rows: int = 8192

    @property
    def arrow(self) -> pa.Schema:
        return pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in self.columns])

    def table(self, rows: Iterable[dict[str, object]]) -> pa.Table:
        return pa.Table.from_pylist(list(rows), schema=self.arrow)


MESSAGE = pa.struct(
    [
        pa.field("role", pa.string(), nullable=False),
        pa.field("content", pa.string(), nullable=False),
        pa.field("reasoning_content", pa.string()),
        pa.field("tool_calls", pa.string()),
        pa.field("tool_call_id", pa.string()),
        pa.field("name", pa.string()),
        pa.field("train", pa.bool_(), nullable=False),
    ]
)

SOURCE = Column("source", pa.string(), "The feed that the record came from.")
LANDING_DATE = Column("landing_date", pa.date32(), "UTC day on which the export landed: the partition.")
EXPORT = Column("export_sha256", pa.string(), "SHA-256 of the landed file's bytes: the export's identity.")
RECORD_NUMBER = Column(
    "record_number", pa.int64(), "Position of the record in its export, from 1; 0 = the whole export."
)
LINE = Column("line", pa.int64(), "Line of the decompressed export on which the record starts, from 1.")
FILE = Column("file", pa.string(), "Name under which the export was first seen, below its landing folder.")
RAW = Column(
    "raw", pa.string(), "The record's text exactly as landed; null where it is not UTF-8.", nullable=True
)
RAW_BYTES = Column("raw_bytes", pa.binary(), "The record's bytes where they are not UTF-8.", nullable=True)

BRONZE = TableSchema(
    "bronze",
    1,
    (
        SOURCE,
        LANDING_DATE,
        EXPORT,
        FILE,
        RECORD_NUMBER,
        LINE,
        Column("byte_offset", pa.int64(), "Offset of the record's first byte in the decompressed export."),
        RAW,
        RAW_BYTES,
        Column("defect", pa.string(), "Why these bytes can't be read as a record, if so.", nullable=True),
    ),
)

SFT_PAIRS = TableSchema(
    SFT_PAIRS_UNIT,
    1,
    (
        Column("record_id", pa.string(), "Content hash of the conversation: 32 hex digits."),
        SOURCE,
        LANDING_DATE,
        EXPORT,
        RECORD_NUMBER,
        LINE,
        Column("source_id", pa.string(), "The record's own id in its source.", nullable=True),
        Column(
            "messages",
            pa.list_(pa.field("element", MESSAGE, nullable=False)),
            "The conversation; tool_calls is JSON text; train says whether an assistant turn is learned.",
        ),
        Column(
            "tools", pa.string(), "Tool definitions offered to the assistant, as JSON text.", nullable=True
        ),
    ),
)

REJECTS = TableSchema(
    "rejects",
    1,
    (
        Column("stage", pa.string(), "The stage that rejected: extract, conform, dedup or package."),
        Column("reason", pa.string(), "Reason code."),
        Column("detail", pa.string(), "What exactly was found."),
        SOURCE,
        LANDING_DATE,
        EXPORT,
        RECORD_NUMBER,
        LINE,
        Column("record_id", pa.string(), "Content hash, where the record got that far.", nullable=True),
        Column("twin_record_id", pa.string(), "The surviving record that this one repeats.", nullable=True),
        Column("twin_source", pa.string(), "The survivor's source.", nullable=True),
        Column("twin_landing_date", pa.date32(), "The survivor's partition.", nullable=True),
        Column("similarity", pa.float64(), "Similarity to the survivor; 1 = equal.", nullable=True),
        RAW,
        RAW_BYTES,
    ),
)

GOLD_SFT = TableSchema(
    "gold_sft",
    1,
    (
        Column(
            "input_ids",
            pa.list_(pa.field("element", pa.int32(), nullable=False)),
            "Token ids of the bin's documents, one after the other.",
        ),
        Column(
            "labels",
            pa.list_(pa.field("element", pa.int32(), nullable=False)),
            "input_ids where the assistant speaks, else -100.",
        ),
        Column(
            "seq_lengths",
            pa.list_(pa.field("element", pa.int32(), nullable=False)),
            "Length in tokens of each document in the bin.",
        ),
        Column(
            "record_ids",
            pa.list_(pa.field("element", pa.string(), nullable=False)),
            "Record id of each document, in the order of seq_lengths.",
        ),
    ),
    row_group_rows=1024,
)

UNIT_SCHEMAS = {SFT_PAIRS_UNIT: SFT_PAIRS}
GOLD_SCHEMAS = {SFT_PAIRS_UNIT: GOLD_SFT}
