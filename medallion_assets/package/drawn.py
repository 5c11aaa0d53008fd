"""What a policy drew, as arrays: token ids, what of them it wrote, and their log-probabilities.

Belongs here: one rollout's arrays, from a log or from our own encoding, and what of them is too long. Does
not: encoding (conversations.py) or the other columns of a row (units/rl_rollouts.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from medallion_assets.package.list_columns import Array, arrays
from medallion_assets.package.recipe import Packaging
from medallion_assets.package.render.spoken import Outcome, ids_of
from medallion_assets.package.tokens.tokenizer import LoadedTokenizer
from medallion_assets.records import Rejected

LOGGED = ("token_ids", "loss_mask", "logprobs", "trainer_logprobs")
# How many tokens may follow what the policy said and still be its turn's end: <|im_end|>, or a few words.
MAX_END_TOKENS = 8


@dataclass(frozen=True)
class Drawn:
    """One rollout's arrays, all of one length. `mask` is 1 where the policy wrote the token."""

    ids: Array
    mask: Array
    logprobs: Array | None
    trainer_logprobs: Array | None
    origin: str
    truncated: bool = False

    @property
    def prompt_length(self) -> int:
        return int(np.argmax(self.mask))


def logged(batch: pa.RecordBatch, tokenizer: LoadedTokenizer) -> list[Drawn | Rejected | None]:
    """A row's arrays as the log has them, never encoded again; None where it has text alone."""
    columns = (arrays(batch.column(name)) for name in LOGGED)
    return [
        None if ids is None else _logged(ids, mask, logprobs, trainer, tokenizer)
        for ids, mask, logprobs, trainer in zip(*columns, strict=True)
    ]


def _logged(
    ids: Array, mask: Array | None, logprobs: Array | None, trainer: Array | None, tokenizer: LoadedTokenizer
) -> Drawn | Rejected:
    if mask is None:
        return Rejected("no_loss_mask", "the log does not say which tokens the policy wrote")
    if not mask.any():
        return Rejected("nothing_to_learn", "the policy wrote none of the tokens")
    if tokenizer.core.id_to_token(int(ids.max())) is None:
        return Rejected("unknown_token_id", f"the recipe's tokenizer has no token {ids.max()}")
    return Drawn(ids, mask, logprobs, trainer, "logged")


def written(
    outcome: Outcome, completion: str, finish_reason: str | None, *, tokenizer: LoadedTokenizer
) -> Drawn | Rejected:
    """From a conversation that ends with the completion: its tokens up to there, proven to say just that.

    What marks the turn's end counts as written by the policy, unless that was stopped before it came so far.
    """
    if isinstance(outcome, Rejected):
        return outcome
    places = np.flatnonzero(outcome >= 0)
    if not len(places):
        return Rejected("nothing_to_learn", "the template leaves no token of the assistant's")
    start, end = int(places[0]), int(places[-1]) + 1
    ids = ids_of(outcome)[:end]
    said = _said(ids[start:], completion, tokenizer)
    if said is None:
        return Rejected("completion_unclear", "the template shows other text than what the policy wrote")
    if finish_reason == "length":
        ids = ids[: start + said]
    if len(ids) == start:
        return Rejected("nothing_to_learn", "the policy wrote nothing")
    mask = np.zeros(len(ids), np.uint8)
    mask[start:] = 1
    return Drawn(ids, mask, None, None, "encoded")


def _said(ids: Array, completion: str, tokenizer: LoadedTokenizer) -> int | None:
    """How many of the tokens say the completion, exactly; what follows them is the turn's end."""
    for said in range(len(ids), max(-1, len(ids) - MAX_END_TOKENS - 1), -1):
        if tokenizer.core.decode(ids[:said].tolist(), skip_special_tokens=False) == completion:
            return said
    return None


def fitting(drawn: Drawn | Rejected, rules: Packaging) -> Drawn | Rejected:
    """A truncated rollout keeps its start, as long as the policy wrote some of that."""
    if isinstance(drawn, Rejected) or len(drawn.ids) <= rules.max_length:
        return drawn
    if rules.too_long == "truncate" and drawn.mask[: rules.max_length].any():
        return _cut(drawn, rules.max_length)
    return Rejected("too_long", f"{len(drawn.ids)} tokens; max_length is {rules.max_length}")


def _cut(drawn: Drawn, length: int) -> Drawn:
    return replace(
        drawn,
        ids=drawn.ids[:length],
        mask=drawn.mask[:length],
        logprobs=drawn.logprobs[:length] if drawn.logprobs is not None else None,
        trainer_logprobs=drawn.trainer_logprobs[:length] if drawn.trainer_logprobs is not None else None,
        truncated=True,
    )
