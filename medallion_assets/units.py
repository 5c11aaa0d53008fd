"""The four data units in memory: what a format returns, and how each becomes a row of silver.

Belongs here: a class a unit, with its texts, its row and what its record id hashes. Does not: any source's
own shape (conform/formats/), judgement of content (curate/) or column types (schemas.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from medallion_assets.records import content_id

Row = dict[str, Any]
Cleaner = Callable[[str], str]


@dataclass(slots=True)
class Message:
    """One turn. `tool_calls` is JSON text; `train` is false for assistant turns that are context only."""

    role: str
    content: str
    reasoning_content: str | None = None
    tool_calls: str | None = None
    tool_call_id: str | None = None
    name: str | None = None
    train: bool = True

    def clean(self, clean: Cleaner) -> None:
        self.content = clean(self.content)
        if self.reasoning_content is not None:
            self.reasoning_content = clean(self.reasoning_content)

    def as_row(self, *, context_only: bool = False) -> Row:
        return {
            "role": self.role,
            "content": self.content,
            "reasoning_content": self.reasoning_content,
            "tool_calls": self.tool_calls,
            "tool_call_id": self.tool_call_id,
            "name": self.name,
            "train": self.train and self.role == "assistant" and not context_only,
        }


class Record(Protocol):
    """What the conform loop needs of a record, whatever its unit."""

    def clean(self, clean: Cleaner) -> None: ...

    def as_row(self) -> Row:
        """The unit's own columns, `record_id` among them."""
        ...


@dataclass(slots=True)
class Conversation:
    """An SFT record (sft_pairs)."""

    messages: list[Message] = field(default_factory=list)
    tools: str | None = None
    source_id: str | None = None

    def clean(self, clean: Cleaner) -> None:
        _clean_all(self.messages, clean)

    def as_row(self) -> Row:
        messages = [message.as_row() for message in self.messages]
        return {
            "record_id": content_id([messages, self.tools]),
            "source_id": self.source_id,
            "messages": messages,
            "tools": self.tools,
        }


PAIR, DESIRABLE, UNDESIRABLE = "pair", "desirable", "undesirable"


@dataclass(slots=True)
class Preference:
    """A prompt with a better and a worse answer (preference_triples).

    Where a source labels single answers, as KTO does, the other side is None and `kind` says which it is.
    Scores are the source's own; `margin` is by how much chosen is preferred: their difference, or the
    difference of the shares of votes; 0 for a tie that was kept.
    """

    prompt: list[Message]
    chosen: list[Message] | None
    rejected: list[Message] | None
    tools: str | None = None
    chosen_score: float | None = None
    rejected_score: float | None = None
    margin: float | None = None
    annotators: int | None = None
    source_id: str | None = None

    @property
    def kind(self) -> str:
        if self.rejected is None:
            return DESIRABLE
        return PAIR if self.chosen is not None else UNDESIRABLE

    def clean(self, clean: Cleaner) -> None:
        for messages in (self.prompt, self.chosen or [], self.rejected or []):
            _clean_all(messages, clean)

    def as_row(self) -> Row:
        """Scores are not part of the identity: the same pair judged twice is one record."""
        prompt = _context(self.prompt)
        chosen, rejected = _answers(self.chosen), _answers(self.rejected)
        return {
            "record_id": content_id([prompt, chosen, rejected, self.tools]),
            "source_id": self.source_id,
            "kind": self.kind,
            "prompt": prompt,
            "chosen": chosen,
            "rejected": rejected,
            "tools": self.tools,
            "chosen_score": self.chosen_score,
            "rejected_score": self.rejected_score,
            "margin": self.margin,
            "annotators": self.annotators,
        }


@dataclass(slots=True)
class RlPrompt:
    """A prompt whose answers can be rewarded (rl_prompts). `extra_info` is JSON text."""

    prompt: list[Message]
    ground_truth: str | None = None
    verifier: str | None = None
    tools: str | None = None
    data_source: str | None = None
    ability: str | None = None
    extra_info: str | None = None
    source_id: str | None = None

    def clean(self, clean: Cleaner) -> None:
        _clean_all(self.prompt, clean)
        if self.ground_truth is not None:
            self.ground_truth = clean(self.ground_truth)

    def as_row(self) -> Row:
        prompt = _context(self.prompt)
        return {
            "record_id": content_id([prompt, self.tools, self.verifier, self.ground_truth]),
            "source_id": self.source_id,
            "prompt_key": prompt_key(self.prompt),
            "prompt": prompt,
            "tools": self.tools,
            "ground_truth": self.ground_truth,
            "verifier": self.verifier,
            "data_source": self.data_source,
            "ability": self.ability,
            "extra_info": self.extra_info,
        }


@dataclass(slots=True)
class Rollout:
    """One sample that a policy drew (rl_rollouts), known by run, step and sample.

    `token_ids` is the whole sequence; `loss_mask` is 1 where the policy wrote the token, and `logprobs` has
    its log-probabilities when it did, 0 elsewhere; all three have one length. Verification sets `reward`.
    """

    run: str
    step: int
    sample: int
    policy_version: int
    group: str | None = None
    prompt: list[Message] | None = None
    completion: str | None = None
    token_ids: Sequence[int] | None = None
    loss_mask: Sequence[int] | None = None
    logprobs: Sequence[float | None] | None = None
    trainer_logprobs: Sequence[float | None] | None = None
    logged_reward: float | None = None
    reward_parts: str | None = None
    advantage: float | None = None
    finish_reason: str | None = None
    ground_truth: str | None = None
    verifier: str | None = None
    data_source: str | None = None
    reward: float | None = None
    reward_origin: str | None = None
    source_id: str | None = None

    def clean(self, clean: Cleaner) -> None:
        """Texts that come with token ids stay as they are: the ids say what was seen."""
        if self.token_ids is None:
            _clean_all(self.prompt or [], clean)
            self.completion = clean(self.completion) if self.completion is not None else None

    def as_row(self) -> Row:
        content = {
            "run": self.run,
            "step": self.step,
            "sample": self.sample,
            "policy_version": self.policy_version,
            "rollout_group": self.group,
            "prompt": _context(self.prompt) if self.prompt is not None else None,
            "completion": self.completion,
            "token_ids": self.token_ids,
            "loss_mask": self.loss_mask,
            "logprobs": self.logprobs,
            "trainer_logprobs": self.trainer_logprobs,
            "reward": self.reward,
            "reward_origin": self.reward_origin,
            "logged_reward": self.logged_reward,
            "reward_parts": self.reward_parts,
            "advantage": self.advantage,
            "finish_reason": self.finish_reason,
            "ground_truth": self.ground_truth,
            "verifier": self.verifier,
            "data_source": self.data_source,
        }
        return {
            "record_id": content_id(content),
            "source_id": self.source_id,
            "rollout_key": content_id([self.run, self.step, self.sample]),
            "prompt_key": prompt_key(self.prompt) if self.prompt is not None else None,
            **content,
        }


def prompt_key(prompt: Sequence[Message]) -> str:
    """What joins a rollout to the prompt that it answers: the hash of who says what.

    System turns are left out, since chat templates add their own.
    """
    return content_id([[turn.role, turn.content] for turn in prompt if turn.role != "system"])


def _clean_all(messages: Sequence[Message], clean: Cleaner) -> None:
    for message in messages:
        message.clean(clean)


def _context(messages: Sequence[Message]) -> list[Row]:
    return [message.as_row(context_only=True) for message in messages]


def _answers(messages: Sequence[Message] | None) -> list[Row] | None:
    return None if messages is None else [message.as_row() for message in messages]
