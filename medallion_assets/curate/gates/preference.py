"""Gates of preference triples, in the order in which they are asked."""

from __future__ import annotations

from collections.abc import Iterator

from medallion_assets.curate.gates import turns
from medallion_assets.records import Rejected
from medallion_assets.units import Message, Preference


def no_answer(triple: Preference) -> Rejected | None:
    if triple.chosen is None and triple.rejected is None:
        return Rejected("no_answer", "neither chosen nor rejected is there")
    return None


def missing_turn(triple: Preference) -> Rejected | None:
    if reject := turns.missing_role(triple.prompt, "user"):
        return reject
    return next(filter(None, (turns.missing_role(side, "assistant") for side in _sides(triple))), None)


def wrong_tool_call(triple: Preference) -> Rejected | None:
    """The rejected side may well be rejected for calling a tool that there is not."""
    found = turns.wrong_call(triple.prompt + (triple.chosen or []), triple.tools)
    if found is None and triple.rejected is not None:
        found = turns.wrong_call(triple.prompt + triple.rejected, None)
    return found


def wrong_role_order(triple: Preference) -> Rejected | None:
    orders = (turns.wrong_order(messages, last=turns.ANSWERED) for messages in _conversations(triple))
    return next(filter(None, orders), None)


def empty_prompt(triple: Preference) -> Rejected | None:
    return turns.first_empty(triple.prompt, "user", "empty_prompt")


def empty_output(triple: Preference) -> Rejected | None:
    found = (turns.first_empty(side, "assistant", "empty_output") for side in _sides(triple))
    return next(filter(None, found), None)


def identical_answers(triple: Preference) -> Rejected | None:
    if triple.chosen is not None and triple.chosen == triple.rejected:
        return Rejected("identical_answers", "chosen and rejected are equal")
    return None


GATES = (
    no_answer,
    missing_turn,
    wrong_tool_call,
    wrong_role_order,
    empty_prompt,
    empty_output,
    identical_answers,
)


def _sides(triple: Preference) -> Iterator[list[Message]]:
    yield from (side for side in (triple.chosen, triple.rejected) if side is not None)


def _conversations(triple: Preference) -> Iterator[list[Message]]:
    yield from (triple.prompt + side for side in _sides(triple))
