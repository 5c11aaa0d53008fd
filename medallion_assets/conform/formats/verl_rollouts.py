"""verl's {step}.jsonl: {"input", "output", "gts", "score", "step", "uid"?, what the reward function adds: …}.

A file is replaced when its step is run again, so a sample is its line: uid and request_id are drawn anew. If
someone appended instead, the second writing can't be told from further samples. Texts lack special tokens;
a prompt of one question is unwrapped from its template.
"""

from __future__ import annotations

import re
from typing import Any

from medallion_assets.conform import fields, rollout_names
from medallion_assets.conform.delivery import Delivery
from medallion_assets.conform.rendered import prompt_turns
from medallion_assets.records import canonical_json
from medallion_assets.units import Rollout

UNITS = ("rl_rollouts",)
OPTIONS = ("verifier",)
NO_REWARDS = {"input", "output", "gts", "score", *rollout_names.NAME_FIELDS}
# A prompt's uid, its session and the index of an output in it.
SAMPLE_UID = re.compile(r"(.+)_\d+_\d+", re.ASCII)


def conform(record: Any, delivery: Delivery) -> Rollout:
    row = fields.an_object(record)
    prompt = fields.text(row, "input")
    step = rollout_names.step_of(row, delivery, in_path=r"(?:^|/)(\d+)\.[^/]*$")
    data_source = fields.json_or_text(row.get("data_source"))
    return Rollout(
        run=rollout_names.run_of(row, delivery),
        step=step,
        sample=rollout_names.position(delivery),
        policy_version=rollout_names.policy_version(row, step),
        group=_group(row) or rollout_names.group_of(prompt),
        prompt=prompt_turns(prompt),
        completion=fields.text(row, "output"),
        logged_reward=fields.number(row.get("score"), "'score'"),
        reward_parts=_reward_parts(row),
        ground_truth=fields.json_or_text(row.get("gts")),
        verifier=rollout_names.verifier_of(data_source, delivery),
        data_source=data_source,
        source_id=fields.json_or_text(row.get("uid") or row.get("request_id")),
    )


def _group(row: dict[str, Any]) -> str | None:
    uid = fields.json_or_text(row.get("uid"))
    sample = SAMPLE_UID.fullmatch(uid) if uid is not None else None
    return sample[1] if sample else uid


def _reward_parts(row: dict[str, Any]) -> str | None:
    """The numbers and truths that the reward function returned beside the score."""
    parts = {
        name: value
        for name, value in row.items()
        if isinstance(value, int | float) and name not in NO_REWARDS
    }
    return canonical_json(parts) if parts else None
