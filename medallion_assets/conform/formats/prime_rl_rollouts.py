"""prime-rl's token_exports/step_{N}/rank_{R}.jsonl: {"schema_version": 1, "step", "rank",
"export_sequence_idx", "env_name", "token_ids": [7, …], "loss_mask": [true, …], "advantages": [0.5, …],
"inference_logprobs": [-0.1, …], "trainer_logprobs": [-0.1, …]}.

A rank's file is replaced when its step is run again, so rank and export_sequence_idx name the sequence. The
log has no reward.
"""

from __future__ import annotations

from typing import Any

from medallion_assets.conform import fields, rollout_names, rollout_tokens
from medallion_assets.conform.delivery import Delivery
from medallion_assets.records import Rejected
from medallion_assets.units import Rollout

UNITS = ("rl_rollouts",)
MARKER = "STABLE"
OWN_FOLDER = r"token_exports(?:/step_\d+)?|step_\d+"
SCHEMA_VERSION = 1
# A sample is rank x 2^32 + index: one integer, and no two ranks share any.
INDEX_BITS = 32
MAX_RANK, MAX_INDEX = 2**31 - 1, 2**INDEX_BITS - 1


def conform(record: Any, delivery: Delivery) -> Rollout:
    row = fields.an_object(record)
    if "schema_version" not in row:
        raise Rejected("missing_field", f"'schema_version' is missing; found {sorted(row)}")
    if row["schema_version"] != SCHEMA_VERSION:
        raise Rejected("unsupported_version", f"'schema_version' is {row['schema_version']!r}; 1 is read")
    ids, marks = rollout_tokens.token_ids(row, "token_ids"), rollout_tokens.mask(row, "loss_mask")
    step = rollout_names.step_of(row, delivery, in_path=r"(?:^|/)step_(\d+)/[^/]*$")
    return Rollout(
        run=rollout_names.run_of(row, delivery, own_folder=OWN_FOLDER),
        step=step,
        sample=_sample(row, delivery),
        policy_version=rollout_names.policy_version(row, step),
        group=rollout_names.group_of(rollout_tokens.prompt_ids(ids, marks)),
        token_ids=ids,
        loss_mask=marks,
        logprobs=rollout_tokens.drawn(rollout_tokens.logprobs(row, "inference_logprobs"), marks),
        trainer_logprobs=rollout_tokens.drawn(rollout_tokens.logprobs(row, "trainer_logprobs"), marks),
        advantage=rollout_tokens.one_advantage(row, "advantages", marks),
        data_source=fields.optional_text(row, "env_name"),
    )


def _sample(row: dict[str, Any], delivery: Delivery) -> int:
    if "rank" not in row:
        raise Rejected("missing_field", f"'rank' is missing; found {sorted(row)}")
    rank = fields.whole(row["rank"], "'rank'")
    index = rollout_names.sample_of(row, "export_sequence_idx", delivery)
    if rank > MAX_RANK or index > MAX_INDEX:
        raise Rejected("wrong_type", f"rank {rank}, sequence {index}: expected up to {MAX_RANK}, {MAX_INDEX}")
    return rank << INDEX_BITS | index
