"""open-instruct's {run}_rollouts_{shard}.jsonl: {"step", "sample_idx", "prompt_idx", "prompt_tokens": [7, …],
"response_tokens": [id, …], "logprobs": [-0.1, …] of the response, "reward", "advantage", "finish_reason",
"dataset", "ground_truth", "request_info"?}.

Shards are appended to: a step run again repeats its step and sample_idx, in the same shard or another.
"""

from __future__ import annotations

import re
from typing import Any

from medallion_assets.conform import fields, rollout_names, rollout_tokens
from medallion_assets.conform.delivery import Delivery
from medallion_assets.records import Rejected
from medallion_assets.units import Rollout

UNITS = ("rl_rollouts",)
OPTIONS = ("verifier",)
SHARD = re.compile(r"(?:.*/)?([^/]+)_rollouts_\d+\.[^/]*", re.ASCII)
METADATA = {"run_name", "git_commit", "model_name", "timestamp"}


def conform(record: Any, delivery: Delivery) -> Rollout:
    row = fields.an_object(record)
    if row.keys() == METADATA:
        raise Rejected("metadata_record", f"describes the run {row['run_name']!r}; it is no rollout")
    prompt, response = (rollout_tokens.token_ids(row, key) for key in ("prompt_tokens", "response_tokens"))
    shard = SHARD.fullmatch(delivery.file)
    logprobs = rollout_tokens.logprobs(row, "logprobs")
    step = rollout_names.step_of(row, delivery)
    data_source = _single(row.get("dataset"))
    return Rollout(
        run=shard[1] if shard else rollout_names.run_of(row, delivery),
        step=step,
        sample=rollout_names.sample_of(row, "sample_idx", delivery),
        policy_version=rollout_names.policy_version(row, step),
        group=_single(row.get("prompt_idx")) or rollout_names.group_of(prompt),
        token_ids=prompt + response,
        loss_mask=None if _calls_tools(row) else [0] * len(prompt) + [1] * len(response),
        logprobs=None if logprobs is None else [0.0] * len(prompt) + logprobs,
        logged_reward=fields.number(row.get("reward"), "'reward'"),
        advantage=fields.number(row.get("advantage"), "'advantage'"),
        finish_reason=fields.optional_text(row, "finish_reason"),
        ground_truth=_single(row.get("ground_truth")),
        verifier=rollout_names.verifier_of(data_source, delivery),
        data_source=data_source,
    )


def _calls_tools(row: dict[str, Any]) -> bool:
    """Then tools wrote some of the response, and the log leaves out the mask that says which."""
    info = fields.an_object(row.get("request_info") or {}, "'request_info'")
    return bool(info.get("num_calls") or info.get("tool_calleds"))


def _single(value: Any) -> str | None:
    """As text; data sets and ground truths come as lists, of one where a prompt has one verifier."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return fields.json_or_text(value)
