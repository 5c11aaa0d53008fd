"""NeMo-RL's train_data_step{N}.jsonl: {"content": [["Hi", …]], "rewards": [1.0], "input_lengths": [5],
"token_ids": [[7, …]], "token_loss_mask": [[0, …]], "advantages": [[0.5, …]], "generation_logprobs":
[[-0.1, …]], "prev_logprobs": [[-0.1, …]], "idx"}.

Each line is a batch of one, hence the outer lists; arrays are padded to the batch's width. A file is replaced
when its step is run again in one launch; every launch has its own folder, exp_001, which stays in the run.
"""

from __future__ import annotations

from typing import Any

from medallion_assets.conform import fields, rollout_names, rollout_tokens
from medallion_assets.conform.delivery import Delivery
from medallion_assets.records import Rejected
from medallion_assets.units import Message, Rollout

UNITS = ("rl_rollouts",)
TOKEN_ARRAYS = ("token_ids", "token_loss_mask", "advantages", "generation_logprobs", "prev_logprobs")


def conform(record: Any, delivery: Delivery) -> Rollout:
    row = _unpadded(_unbatched(fields.an_object(record)))
    ids, marks = rollout_tokens.token_ids(row, "token_ids"), rollout_tokens.mask(row, "token_loss_mask")
    step = rollout_names.step_of(row, delivery, in_path=r"train_data_step(\d+)\.[^/]*$")
    prompt, completion = _texts(row)
    return Rollout(
        run=rollout_names.run_of(row, delivery),
        step=step,
        sample=rollout_names.sample_of(row, "idx", delivery),
        policy_version=rollout_names.policy_version(row, step),
        group=rollout_names.group_of(rollout_tokens.prompt_ids(ids, marks)),
        prompt=prompt,
        completion=completion,
        token_ids=ids,
        loss_mask=marks,
        logprobs=rollout_tokens.drawn(rollout_tokens.logprobs(row, "generation_logprobs"), marks),
        trainer_logprobs=rollout_tokens.drawn(rollout_tokens.logprobs(row, "prev_logprobs"), marks),
        logged_reward=_reward(row),
        advantage=rollout_tokens.one_advantage(row, "advantages", marks),
    )


def _unbatched(row: dict[str, Any]) -> dict[str, Any]:
    """The record without its outer lists; an empty one is a column shorter than the batch: no value."""
    if not isinstance(row.get("input_lengths"), list):
        return row
    columns = {name: value for name, value in row.items() if isinstance(value, list) and value}
    for name, value in columns.items():
        if len(value) != 1:
            raise Rejected("wrong_type", f"{name!r} holds {len(value)} values, expected a batch of one")
    plain = {name: value for name, value in row.items() if not isinstance(value, list)}
    return plain | {name: value for name, [value] in columns.items()}


def _unpadded(row: dict[str, Any]) -> dict[str, Any]:
    if "input_lengths" not in row:
        raise Rejected("missing_field", f"'input_lengths' is missing; found {sorted(row)}")
    length = fields.whole(row["input_lengths"], "'input_lengths'")
    width = len(fields.a_list(row, "token_ids"))
    if length > width:
        raise Rejected("unequal_lengths", f"'input_lengths' is {length}, but there are {width} token ids")
    arrays = {name: row[name][:length] for name in TOKEN_ARRAYS if isinstance(row.get(name), list)}
    return row | arrays


def _texts(row: dict[str, Any]) -> tuple[list[Message] | None, str | None]:
    """`content` has a text a turn but not whose: certain of two only, which are the prompt and its answer."""
    texts = row.get("content")
    if isinstance(texts, list) and len(texts) == 2 and all(isinstance(text, str) for text in texts):
        return [Message("user", texts[0])], texts[1]
    return None, None


def _reward(row: dict[str, Any]) -> float | None:
    """With dynamic sampling, `rewards` are those of all samples drawn, in another order than the lines."""
    name = "filtered_rewards" if "filtered_rewards" in row else "rewards"
    return fields.number(row.get(name), repr(name))
