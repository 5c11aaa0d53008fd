"""Any flat or nested JSON, by the source's `fields`: {prompt: instruction, response: answers.0.text, …}.

Which unit it feeds shows in what is named, since each has a name of its own: see conform/mapping.py.
"""

from __future__ import annotations

from typing import Any

from medallion_assets.conform import fields, rollout_names, tools, votes
from medallion_assets.conform.delivery import Delivery
from medallion_assets.conform.mapping import ANSWER, TARGETS, VOTE, Mapped, problems
from medallion_assets.units import Conversation, Message, Preference, RlPrompt, Rollout

__all__ = ["OPTIONS", "UNITS", "conform", "problems"]

UNITS = tuple(TARGETS)
OPTIONS = ("fields", "votes", "ties", "annotators", "verifier")


def conform(record: Any, delivery: Delivery) -> Conversation | Preference | RlPrompt | Rollout:
    row = Mapped(fields.an_object(record), delivery.options.fields)
    if "response" in row or "messages" in row:
        return _conversation(row)
    if "chosen" in row:
        return _preference(row)
    if VOTE in row:
        return _voted(row, delivery)
    return _rollout(row, delivery) if "completion" in row else _rl_prompt(row, delivery)


def _conversation(row: Mapped) -> Conversation:
    if "messages" in row:
        messages = _system(row) + row.messages("messages")
    else:
        messages = [*_prompt(row), Message("assistant", row.text("response"))]
    return Conversation(messages, tools=tools.definitions(row.value("tools")), source_id=_id(row))


def _preference(row: Mapped) -> Preference:
    better, worse = row.number("chosen_score"), row.number("rejected_score")
    return Preference(
        _prompt(row),
        [Message("assistant", row.text("chosen"))],
        [Message("assistant", row.text("rejected"))],
        chosen_score=better,
        rejected_score=worse,
        margin=None if better is None or worse is None else better - worse,
        source_id=_id(row),
    )


def _voted(row: Mapped, delivery: Delivery) -> Preference:
    """An annotator who gave no answer has no vote."""
    options = delivery.options
    cast = [votes.meaning(vote, options) for vote in row.values(VOTE) if vote is not None]
    result = votes.judged(row.text("first"), row.text("second"), cast, options)
    return Preference(
        _prompt(row),
        [Message("assistant", result.chosen)],
        [Message("assistant", result.rejected)],
        margin=result.margin,
        annotators=result.annotators,
        source_id=_id(row),
    )


def _rl_prompt(row: Mapped, delivery: Delivery) -> RlPrompt:
    return RlPrompt(
        _prompt(row),
        ground_truth=fields.json_or_text(row.value(ANSWER)),
        verifier=delivery.options.verifier,
        data_source=row.optional_text("data_source"),
        ability=row.optional_text("ability"),
        source_id=_id(row),
    )


def _rollout(row: Mapped, delivery: Delivery) -> Rollout:
    """A log that names no run, step or sample is one run of one step, a sample a record."""
    step = row.whole("step", default=0)
    return Rollout(
        run=row.optional_text("run") or delivery.source,
        step=step,
        sample=row.whole("sample", default=rollout_names.place_of(delivery)),
        policy_version=row.whole("policy_version", default=step),
        group=row.optional_text("group"),
        prompt=_prompt(row),
        completion=row.text("completion"),
        logged_reward=row.number("reward"),
        advantage=row.number("advantage"),
        finish_reason=row.optional_text("finish_reason"),
        ground_truth=fields.json_or_text(row.value(ANSWER)),
        verifier=delivery.options.verifier,
        data_source=row.optional_text("data_source"),
        source_id=_id(row),
    )


def _prompt(row: Mapped) -> list[Message]:
    """The input follows the prompt's last turn after an empty line, as in Alpaca."""
    messages = row.messages("prompt")
    if (given := row.optional_text("input")) and messages:
        messages[-1].content = "\n\n".join(part for part in (messages[-1].content, given) if part)
    return _system(row) + messages


def _system(row: Mapped) -> list[Message]:
    system = row.optional_text("system")
    return [Message("system", system)] if system else []


def _id(row: Mapped) -> str | None:
    return fields.json_or_text(row.value("id"))
