"""The schemas of gold, a unit each: what trainers read, with what traces it back.

Belongs here: Arrow schemas with a description per column. Does not: those of bronze and silver
(schemas.py) or what fills them (package/).
"""

from __future__ import annotations

import pyarrow as pa

from medallion_assets.schemas import (
    PREFERENCE_UNIT,
    PROMPT_KEY,
    PROMPT_UNIT,
    RECORD_ID,
    RL_CURRICULUM,
    ROLLOUT_UNIT,
    SFT_UNIT,
    SOURCE,
    TOOLS,
    Column,
    TableSchema,
    list_of,
)

TURN = pa.struct(
    [pa.field("role", pa.string(), nullable=False), pa.field("content", pa.string(), nullable=False)]
)
TURNS = list_of(TURN)
IDS = list_of(pa.int32())

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

GOLD_PREFERENCE = TableSchema(
    "gold_preference",
    1,
    (
        RECORD_ID,
        SOURCE,
        Column("prompt", TURNS, "The turns before the answers."),
        Column("chosen", TURNS, "The preferred answer's turns."),
        Column("rejected", TURNS, "The other answer's turns."),
        TOOLS,
        Column("prompt_ids", IDS, "Token ids up to where the answers begin: what both sides begin with."),
        Column("chosen_ids", IDS, "Token ids of chosen after the prompt's, to the end of the conversation."),
        Column("rejected_ids", IDS, "Token ids of rejected after the prompt's."),
        Column("prompt_length", pa.int32(), "Tokens in prompt_ids."),
        Column("chosen_length", pa.int32(), "Tokens in chosen_ids."),
        Column("rejected_length", pa.int32(), "Tokens in rejected_ids."),
        Column(
            "truncated", pa.bool_(), "Whether the ids of an answer end early, at the recipe's max_length."
        ),
        Column("margin", pa.float64(), "By how much chosen is preferred, as in silver.", True),
        Column("chosen_score", pa.float64(), "The source's own score of chosen.", True),
        Column("rejected_score", pa.float64(), "The source's own score of rejected.", True),
        Column("annotators", pa.int32(), "How many annotators judged the pair.", True),
    ),
    row_group_rows=1024,
)

REWARD_MODEL = pa.struct(
    [pa.field("style", pa.string(), nullable=False), pa.field("ground_truth", pa.string())]
)
EXTRA_INFO = pa.struct(
    [
        pa.field("split", pa.string(), nullable=False),
        pa.field("index", pa.int64(), nullable=False),
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("verifier", pa.string()),
        pa.field("given", pa.string()),
    ]
)
GOLD_PROMPTS = TableSchema(
    "gold_prompts",
    1,
    (
        RECORD_ID,
        SOURCE,
        Column(
            "data_source", pa.string(), "What verl chooses the reward by: the data set's name, else ours."
        ),
        Column("prompt", TURNS, "The turns to answer."),
        Column("ability", pa.string(), "What the prompt trains, as its source says.", True),
        Column(
            "reward_model",
            REWARD_MODEL,
            "ground_truth: what an answer is compared with; style: rule, or model where there is none.",
        ),
        Column(
            "extra_info",
            EXTRA_INFO,
            "split: train or test; index: a number of the record's own; verifier: what rewards an answer; "
            "given: whatever else the source gives, as JSON text.",
        ),
        TOOLS,
        Column("prompt_key", pa.string(), PROMPT_KEY),
        Column("prompt_length", pa.int32(), "Tokens of the rendered prompt, to where the answer begins."),
    ),
    row_group_rows=1024,
)
GOLD_CURRICULUM = TableSchema(
    "gold_curriculum",
    1,
    (
        *GOLD_PROMPTS.columns,
        *(column for column in RL_CURRICULUM.columns if column.name in ("attempts", "solved", "pass_rate")),
    ),
    row_group_rows=1024,
)

MASK = list_of(pa.uint8())
LOGPROBS = pa.list_(pa.float32())
GOLD_ROLLOUTS = TableSchema(
    "gold_rollouts",
    1,
    (
        RECORD_ID,
        SOURCE,
        Column("run", pa.string(), "The training run that drew the sample."),
        Column("step", pa.int64(), "The trainer's step that the sample was drawn for."),
        Column("sample", pa.int64(), "The sample's index within the step."),
        Column("policy_version", pa.int64(), "Version of the policy that drew it."),
        Column(
            "rollout_group",
            pa.string(),
            "Samples of one prompt in one step of one run share it: an advantage is taken among them.",
            True,
        ),
        Column("prompt_key", pa.string(), PROMPT_KEY, True),
        Column("input_ids", IDS, "Token ids of prompt and completion."),
        Column("loss_mask", MASK, "1 where the policy wrote the token."),
        Column("logprobs", LOGPROBS, "When drawn, 0 off the mask; null where the log has none.", True),
        Column("trainer_logprobs", LOGPROBS, "The same, by the trainer before its update.", True),
        Column(
            "ids_origin",
            pa.string(),
            "logged: the ids that the policy saw; encoded: ours, of the log's text.",
        ),
        Column("prompt_length", pa.int32(), "Tokens before the first that the policy wrote."),
        Column("length", pa.int32(), "Tokens in input_ids."),
        Column("truncated", pa.bool_(), "Whether the row ends early, at the recipe's max_length."),
        Column("reward", pa.float64(), "The reward to use.", True),
        Column("reward_origin", pa.string(), "Who gave it: verifier:<name>, or logged."),
        Column("logged_reward", pa.float64(), "The reward in the log, which the advantage is of.", True),
        Column("advantage", pa.float64(), "The advantage in the log.", True),
        Column("finish_reason", pa.string(), "Why the sample ended.", True),
        Column("data_source", pa.string(), "The environment or data set of the prompt.", True),
    ),
    row_group_rows=1024,
)

GOLD_SCHEMAS = {
    SFT_UNIT: GOLD_SFT,
    PREFERENCE_UNIT: GOLD_PREFERENCE,
    PROMPT_UNIT: GOLD_PROMPTS,
    RL_CURRICULUM.name: GOLD_CURRICULUM,
    ROLLOUT_UNIT: GOLD_ROLLOUTS,
}
