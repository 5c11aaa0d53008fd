"""The schemas of bronze and silver, once: columns, types, versions and what each column means.

Belongs here: Arrow schemas with a description per column. Does not: those of gold (schemas_gold.py),
conversions (conform/) or storage.
A change of columns is a new version here, and the partitions are rebuilt from bronze.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

SFT_UNIT, PREFERENCE_UNIT = "sft_pairs", "preference_triples"
PROMPT_UNIT, ROLLOUT_UNIT = "rl_prompts", "rl_rollouts"
DATA_UNITS = (SFT_UNIT, PREFERENCE_UNIT, PROMPT_UNIT, ROLLOUT_UNIT)


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

    @property
    def without_origin(self) -> pa.Schema:
        return pa.schema([column for column in self.arrow if column.name not in ORIGIN])

    def table(self, rows: Iterable[dict[str, object]]) -> pa.Table:
        return pa.Table.from_pylist(list(rows), schema=self.arrow)


def list_of(type_: pa.DataType) -> pa.ListType:
    """Of elements that are never null."""
    return pa.list_(pa.field("element", type_, nullable=False))


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
        Column(
            "defect",
            pa.string(),
            "Why these bytes are no record, if so: reason code and detail.",
            nullable=True,
        ),
    ),
)

MESSAGES = list_of(MESSAGE)
RECORD_ID = Column("record_id", pa.string(), "Content hash of the record: 32 hex digits.")
PROVENANCE = (SOURCE, LANDING_DATE, EXPORT, RECORD_NUMBER, LINE)
# Where a record comes from, and with its id, which record it is.
ORIGIN = tuple(column.name for column in PROVENANCE)
ORIGIN_AND_ID = (*ORIGIN, RECORD_ID.name)
SOURCE_ID = Column("source_id", pa.string(), "The record's own id in its source.", nullable=True)
TOOLS = Column(
    "tools", pa.string(), "Tool definitions offered to the assistant, as JSON text.", nullable=True
)
PROMPT_KEY = "Hash of the prompt's turns but the system's; joins rollouts to the prompts that they answer."

SFT_PAIRS = TableSchema(
    SFT_UNIT,
    1,
    (
        RECORD_ID,
        *PROVENANCE,
        SOURCE_ID,
        Column(
            "messages",
            MESSAGES,
            "The conversation; tool_calls is JSON text; train says whether an assistant turn is learned.",
        ),
        TOOLS,
    ),
)

PREFERENCE_TRIPLES = TableSchema(
    PREFERENCE_UNIT,
    1,
    (
        RECORD_ID,
        *PROVENANCE,
        SOURCE_ID,
        Column("kind", pa.string(), "pair; or desirable, undesirable: one answer with a label (KTO)."),
        Column("prompt", MESSAGES, "The turns before the answers; nothing of it is learned."),
        Column("chosen", MESSAGES, "The preferred answer's turns; null where undesirable.", nullable=True),
        Column("rejected", MESSAGES, "The other answer's turns; null where desirable.", nullable=True),
        TOOLS,
        Column("chosen_score", pa.float64(), "The source's own score of chosen.", nullable=True),
        Column("rejected_score", pa.float64(), "The source's own score of rejected.", nullable=True),
        Column(
            "margin",
            pa.float64(),
            "By how much chosen is preferred: difference of scores or of shares of votes; 0 = a kept tie.",
            nullable=True,
        ),
        Column("annotators", pa.int32(), "How many annotators judged the pair.", nullable=True),
    ),
)

RL_PROMPTS = TableSchema(
    PROMPT_UNIT,
    1,
    (
        RECORD_ID,
        *PROVENANCE,
        SOURCE_ID,
        Column("prompt_key", pa.string(), PROMPT_KEY),
        Column("prompt", MESSAGES, "The turns to answer."),
        TOOLS,
        Column(
            "ground_truth", pa.string(), "What the verifier compares with; JSON text if not a text.", True
        ),
        Column(
            "verifier", pa.string(), "What rewards an answer: gsm8k, math, exact, or a name of yours.", True
        ),
        Column("data_source", pa.string(), "The data set that the prompt is from, as its source says.", True),
        Column("ability", pa.string(), "What the prompt trains, as its source says.", True),
        Column("extra_info", pa.string(), "Whatever else the source gives, as JSON text.", True),
    ),
)

RL_ROLLOUTS = TableSchema(
    ROLLOUT_UNIT,
    1,
    (
        RECORD_ID,
        *PROVENANCE,
        SOURCE_ID,
        Column("rollout_key", pa.string(), "Hash of run, step and sample: what makes a rollout one."),
        Column("run", pa.string(), "The training run that drew the sample."),
        Column("step", pa.int64(), "The trainer's step that the sample was drawn for."),
        Column("sample", pa.int64(), "The sample's index within the step."),
        Column("policy_version", pa.int64(), "Version of the policy; the step where the log has none."),
        Column("rollout_group", pa.string(), "Samples of one prompt in one step share it.", True),
        Column("prompt_key", pa.string(), PROMPT_KEY, True),
        Column("prompt", MESSAGES, "The turns answered; null where the log has token ids only.", True),
        Column("completion", pa.string(), "The answer's text; null where the log has token ids only.", True),
        Column("token_ids", list_of(pa.int32()), "Prompt and completion as the policy saw them.", True),
        Column("loss_mask", list_of(pa.uint8()), "1 where the policy wrote the token.", True),
        Column("logprobs", pa.list_(pa.float32()), "Log-probabilities when drawn; 0 off the mask.", True),
        Column(
            "trainer_logprobs", pa.list_(pa.float32()), "The same, by the trainer before its update.", True
        ),
        Column("reward", pa.float64(), "The reward to use.", True),
        Column("reward_origin", pa.string(), "Who gave it: verifier:<name>, or logged."),
        Column("logged_reward", pa.float64(), "The reward in the log.", True),
        Column("reward_parts", pa.string(), "Rewards by function, as JSON text.", True),
        Column("advantage", pa.float64(), "The advantage in the log.", True),
        Column("finish_reason", pa.string(), "Why the sample ended.", True),
        Column("ground_truth", pa.string(), "What the verifier compares with.", True),
        Column("verifier", pa.string(), "What rewards the answer.", True),
        Column("data_source", pa.string(), "The environment or data set of the prompt.", True),
    ),
    row_group_rows=1024,
)

RL_CURRICULUM = TableSchema(
    "rl_curriculum",
    1,
    (
        *RL_PROMPTS.columns,
        Column("attempts", pa.int64(), "Rollouts of the prompt up to the day before."),
        Column("solved", pa.int64(), "How many of them reached the reward of a solution."),
        Column("pass_rate", pa.float64(), "solved / attempts; null where nothing was attempted.", True),
    ),
)

EVAL_PREFIX = "eval_"  # of the names of evaluation sets' tables
EVAL_ITEMS = TableSchema(
    "eval_items",
    1,
    (
        RECORD_ID,
        *PROVENANCE,
        FILE,
        Column("item", pa.int64(), "Position among the items of one record, from 1."),
        Column(
            "texts",
            list_of(pa.struct([pa.field("field", pa.string(), False), pa.field("text", pa.string(), False)])),
            "The item's texts by field, in the order of the configuration.",
        ),
    ),
)

FINGERPRINTS = TableSchema(
    "fingerprints",
    1,
    (
        Column("dedup_key", pa.binary(16), "What makes records the same: the record id, or a rollout's key."),
        Column("minhash", pa.binary(64), "MinHash of the shingles, 64 slots of 8 bits; zeros where none."),
        Column("shingles", list_of(pa.uint32()), "Hashes of the record's runs of five words: a sorted set."),
    ),
)

EVAL_INDEX = TableSchema(
    "eval_index",
    1,
    (
        Column("eval_set", pa.string(), "Name of the evaluation set."),
        Column("item_id", pa.string(), "Record id of the item's texts."),
        Column("item", pa.int64(), "Position among the items of one record, from 1."),
        Column("field", pa.string(), "Which of the item's texts: its dotted path."),
        Column("text", pa.string(), "The text."),
        Column("words", pa.int64(), "Its length in words."),
        Column("telling_words", pa.int64(), "Words in runs that are no boilerplate: what coverage is of."),
        Column("matched_by", pa.string(), "ngrams, exact (too short for runs), or nothing."),
    ),
)

CONTAMINATION = TableSchema(
    "contamination",
    1,
    (
        RECORD_ID,
        *PROVENANCE,
        Column(
            "row", pa.int64(), "Place of the record among its source's conformed rows of the day, from 0."
        ),
        Column("eval_set", pa.string(), "The evaluation set that the record gives away."),
        Column("item_id", pa.string(), "Record id of the item that it matches best."),
        Column("item", pa.int64(), "Position of the item in its record, from 1."),
        Column("field", pa.string(), "Which of the item's texts."),
        Column("matched_by", pa.string(), "ngrams or exact."),
        Column("coverage", pa.float64(), "Share of the item's telling words that the record repeats."),
        Column("matching_text", pa.string(), "The longest stretch of the record that the item has too."),
    ),
)


def _numbers(*, real: tuple[str, ...] = (), whole: tuple[str, ...] = ()) -> pa.StructType:
    fields = [(name, pa.float64()) for name in real] + [(name, pa.int64()) for name in whole]
    return pa.struct([pa.field(name, type_, nullable=False) for name, type_ in fields])


PROFILE = TableSchema(
    "profile",
    1,
    (
        Column("unit", pa.string(), "The data unit that the source feeds."),
        SOURCE,
        LANDING_DATE,
        Column("landed", pa.int64(), "Records in bronze; null where the source is derived.", nullable=True),
        Column("conformed", pa.int64(), "Records that have the unit's schema."),
        Column("kept", pa.int64(), "Records in the unit's table: what all figures below describe."),
        Column(
            "rejected",
            list_of(
                pa.struct(
                    [
                        pa.field("stage", pa.string(), False),
                        pa.field("reason", pa.string(), False),
                        pa.field("count", pa.int64(), False),
                    ]
                )
            ),
            "Records of the day that did not come this far, by the stage and the reason.",
        ),
        Column(
            "characters",
            _numbers(real=("mean",), whole=("p5", "p50", "p95", "max")),
            "Characters of what a record's turns say, lines between them; null where nothing was kept.",
            nullable=True,
        ),
        Column(
            "histogram",
            list_of(_numbers(whole=("least", "count"))),
            "Records by characters: from `least` (0 or a power of two) to below the next power.",
        ),
        Column("words", _numbers(whole=("total", "p50", "p95")), "Words of the same.", nullable=True),
        Column(
            "turns",
            _numbers(real=("mean",), whole=("max",)),
            "Messages of a conversation, or of the prompt where the answer is apart.",
            nullable=True,
        ),
        Column("sample", pa.int64(), "Records that tokens and languages are told of: the smallest ids."),
        Column(
            "tokens",
            _numbers(real=("characters_per_token",), whole=("p50", "p95", "max")),
            "Tokens of the same in the sample, without a template's; null where there is no recipe.",
            nullable=True,
        ),
        Column(
            "languages",
            list_of(pa.struct([pa.field("language", pa.string()), pa.field("count", pa.int64(), False)])),
            "Records of the sample by language: ISO 639-1 codes, null where unclear.",
        ),
    ),
)

REJECTS = TableSchema(
    "rejects",
    1,
    (
        Column(
            "stage",
            pa.string(),
            "The stage that rejected: extract, conform, dedup, decontaminate, policy or package.",
        ),
        Column("reason", pa.string(), "Reason code."),
        Column("detail", pa.string(), "What exactly was found."),
        *PROVENANCE,
        Column("record_id", pa.string(), "Content hash, where the record got that far.", nullable=True),
        Column(
            "twin_record_id",
            pa.string(),
            "The earlier record that this one repeats; it may have gone too.",
            nullable=True,
        ),
        Column("twin_source", pa.string(), "The source of that record.", nullable=True),
        Column("twin_landing_date", pa.date32(), "The partition of that record.", nullable=True),
        Column("similarity", pa.float64(), "Similarity to that record; 1 = equal.", nullable=True),
        RAW,
        RAW_BYTES,
    ),
)

UNIT_SCHEMAS = {schema.name: schema for schema in (SFT_PAIRS, PREFERENCE_TRIPLES, RL_PROMPTS, RL_ROLLOUTS)}
