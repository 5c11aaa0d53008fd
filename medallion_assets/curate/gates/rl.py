"""Gates of RL prompts and rollouts, in the order in which they are asked."""

from __future__ import annotations

from medallion_assets.curate.gates import turns
from medallion_assets.records import Rejected
from medallion_assets.units import RlPrompt, Rollout


def missing_turn(prompt: RlPrompt) -> Rejected | None:
    return turns.missing_role(prompt.prompt, "user")


def wrong_tool_call(prompt: RlPrompt) -> Rejected | None:
    return turns.wrong_call(prompt.prompt, prompt.tools)


def wrong_role_order(prompt: RlPrompt) -> Rejected | None:
    return turns.wrong_order(prompt.prompt, last=turns.UNANSWERED)


def empty_prompt(prompt: RlPrompt) -> Rejected | None:
    return turns.first_empty(prompt.prompt, "user", "empty_prompt")


def missing_ground_truth(prompt: RlPrompt) -> Rejected | None:
    if prompt.verifier is not None and not prompt.ground_truth:
        return Rejected(
            "missing_ground_truth", f"the verifier {prompt.verifier!r} has nothing to compare with"
        )
    return None


PROMPT_GATES = (missing_turn, wrong_tool_call, wrong_role_order, empty_prompt, missing_ground_truth)


def nothing_sampled(rollout: Rollout) -> Rejected | None:
    """An empty answer is an answer, and may well have earned its reward; no answer at all is not."""
    if rollout.completion is None and rollout.token_ids is None:
        return Rejected("nothing_sampled", "the rollout has neither a completion nor token ids")
    return None


def unequal_lengths(rollout: Rollout) -> Rejected | None:
    ids = rollout.token_ids
    for name in ("loss_mask", "logprobs", "trainer_logprobs"):
        values = getattr(rollout, name)
        if values is not None and len(values) != (len(ids) if ids is not None else -1):
            tokens = f"{len(ids)} token ids" if ids is not None else "no token ids"
            return Rejected("unequal_lengths", f"{len(values)} values of {name} for {tokens}")
    return None


ROLLOUT_GATES = (nothing_sampled, unequal_lengths)
