"""TRL's completions_{step}.parquet: {"step", "prompt", "completion", <reward function>: 1.5, "advantage"?}.

A file holds the last generation batch and is replaced when its step is run again, so a sample is its row.
Texts lack special tokens; a prompt of one question is unwrapped. A batch that serves more steps is logged at
each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from medallion_assets.conform import fields, rollout_names
from medallion_assets.conform.delivery import Delivery, Options
from medallion_assets.conform.rendered import prompt_turns
from medallion_assets.records import Rejected, canonical_json
from medallion_assets.units import Rollout

UNITS = ("rl_rollouts",)
OPTIONS = ("fields", "verifier")
FIELDS = ("rewards", "ground_truth")
NO_REWARDS = {"prompt", "completion", "advantage", *rollout_names.NAME_FIELDS}


def problems(unit: str, options: Options) -> Iterator[str]:
    for name in sorted(set(options.fields) - set(FIELDS)):
        yield f"`fields` has {name!r}, which this format does not read; allowed: {', '.join(FIELDS)}"


def conform(record: Any, delivery: Delivery) -> Rollout:
    row = fields.an_object(record)
    prompt = fields.text(row, "prompt")
    rewards = _rewards(row, delivery.options)
    step = rollout_names.step_of(row, delivery, in_path=r"completions_(\d+)\.[^/]*$")
    return Rollout(
        run=rollout_names.run_of(row, delivery, own_folder="completions"),
        step=step,
        sample=rollout_names.position(delivery),
        policy_version=rollout_names.policy_version(row, step),
        group=rollout_names.group_of(prompt),
        prompt=prompt_turns(prompt),
        completion=fields.text(row, "completion"),
        logged_reward=fields.number(sum(rewards.values()), "the rewards' sum") if rewards else None,
        reward_parts=canonical_json(rewards) if rewards else None,
        advantage=fields.number(row.get("advantage"), "'advantage'"),
        ground_truth=_ground_truth(row, delivery.options),
        verifier=delivery.options.verifier,
    )


def _rewards(row: dict[str, Any], options: Options) -> dict[str, float]:
    """By function; one that had nothing to say of the sample is left out, as TRL leaves it out of its sum.

    The log has neither a total nor the functions' weights (1 by default). Numbers that a function logged as
    extras look the same, unless they are integers: then `fields: {rewards: …}` says which are rewards.
    """
    if named := options.fields.get("rewards"):
        given = {name: fields.number(_column(row, name), repr(name)) for name in named}
    else:
        given = {
            name: value for name, value in row.items() if isinstance(value, float) and name not in NO_REWARDS
        }
    return {name: value for name, value in given.items() if value is not None}


def _ground_truth(row: dict[str, Any], options: Options) -> str | None:
    """Of the first column that `fields` names for it: TRL logs none by itself."""
    names = options.fields.get("ground_truth", ())
    return fields.json_or_text(_column(row, names[0])) if names else None


def _column(row: dict[str, Any], name: str) -> Any:
    if name not in row:
        raise Rejected("missing_field", f"{name!r} is missing; found {sorted(row)}")
    return row[name]
