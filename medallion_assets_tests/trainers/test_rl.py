"""What TRL's GRPOTrainer makes of RL prompts, and a step off policy on rollouts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medallion_assets.schemas import RL_PROMPTS, RL_ROLLOUTS
from medallion_assets.units import RlPrompt, Rollout
from medallion_assets_tests.package.golden import transformers_tokenizer, user
from medallion_assets_tests.trainers.tiny import QUIET, from_parquet, gold_files, losses, model, words


def test_grpo_takes_two_steps_and_rewards_read_our_columns(tmp_path: Path) -> None:
    from trl import GRPOConfig, GRPOTrainer

    prompts = [RlPrompt([user(words(n, most=6))], f"{n}", "exact") for n in range(6)]
    gold = from_parquet(gold_files(RL_PROMPTS, prompts, tmp_path / "gold"))
    truths = {row["record_id"]: row["reward_model"]["ground_truth"] for row in gold}
    asked: list[str] = []

    def reward(
        completions: Any, reward_model: Any, extra_info: Any, data_source: Any, **_: Any
    ) -> list[float]:
        ids = [info["record_id"] for info in extra_info]
        assert [truths[name] for name in ids] == [each["ground_truth"] for each in reward_model]
        assert {info["verifier"] for info in extra_info} == {"exact"} == set(data_source)
        asked.extend(ids)
        return [float(len(set(answer[0]["content"]))) for answer in completions]

    args = GRPOConfig(
        output_dir=str(tmp_path / "out"),
        per_device_train_batch_size=4,
        num_generations=2,
        max_completion_length=6,
        use_vllm=False,
        **QUIET,
    )
    trainer = GRPOTrainer(
        model=model(),
        reward_funcs=reward,
        args=args,
        train_dataset=gold,
        processing_class=transformers_tokenizer(),
    )
    trainer.train()
    assert len(losses(trainer)) == 2
    assert len(asked) == 8
    assert set(asked) <= set(truths)


def test_rollouts_are_enough_for_a_step_off_policy(tmp_path: Path) -> None:
    """The log-probabilities are the policy's own here, so that at first no ratio is other than 1."""
    import torch

    policy = model().eval()
    rollouts = [rollout(policy, n) for n in range(4)]
    gold = from_parquet(gold_files(RL_ROLLOUTS, rollouts, tmp_path))
    total = torch.zeros(())
    for row in gold:
        ids, mask = torch.tensor([row["input_ids"]]), torch.tensor(row["loss_mask"])[1:].bool()
        ratio = torch.exp(logprobs(policy, ids) - torch.tensor(row["logprobs"])[1:])[mask]
        torch.testing.assert_close(ratio, torch.ones_like(ratio), rtol=1e-3, atol=1e-3)
        total = total - (ratio * row["advantage"]).sum()
    total.backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in policy.parameters())


def rollout(policy: Any, n: int) -> Rollout:
    """A sample of which the log has ids and log-probabilities."""
    import torch

    ids = transformers_tokenizer()(words(n, most=9))["input_ids"]
    with torch.no_grad():
        drawn = logprobs(policy, torch.tensor([ids])).tolist()
    known = {"reward": float(n % 2), "reward_origin": "logged", "advantage": n % 2 - 0.5}
    mask = [0] + [1] * (len(ids) - 1)
    return Rollout("run", 1, n, 1, token_ids=ids, loss_mask=mask, logprobs=[0.0, *drawn], **known)


def logprobs(policy: Any, ids: Any) -> Any:
    """Of each token but the first."""
    import torch

    logits = policy(input_ids=ids, use_cache=False).logits[0, :-1]
    return torch.log_softmax(logits, -1).gather(-1, ids[0, 1:, None])[:, 0]
