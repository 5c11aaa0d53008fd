"""Rewards of rollouts: recomputed where a verifier is named, else as logged, and marked which.

Belongs here: when to verify and what to record. Does not: how an answer is judged (verify.py).
"""

from __future__ import annotations

from medallion_assets.curate.verify import VERIFIERS, Unverifiable, verify
from medallion_assets.records import Rejected
from medallion_assets.units import Rollout

LOGGED = "logged"


def verify_reward(rollout: Rollout) -> None:
    """Sets the rollout's reward and its origin. Raises Rejected where verification fails and the log
    has none."""
    name, completion, truth = rollout.verifier, rollout.completion, rollout.ground_truth
    if name is not None and name in VERIFIERS and completion is not None and truth is not None:
        try:
            rollout.reward = verify(name, completion, truth)
            rollout.reward_origin = f"verifier:{name}"
            return
        except Unverifiable as error:
            if rollout.logged_reward is None:
                raise Rejected("unverifiable", str(error)) from error
    rollout.reward, rollout.reward_origin = rollout.logged_reward, LOGGED
