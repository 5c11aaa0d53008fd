"""Quality gates: which are on for a unit, by the thresholds that are set.

Belongs here: putting measures and a unit's texts together. Does not: measures (texts.py), a unit's texts
(units.py), defaults (thresholds.py), or the gates that are always on (the modules above this package).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from medallion_assets.curate.gates import Gate
from medallion_assets.curate.gates.quality import texts
from medallion_assets.curate.gates.quality.refusals import pattern_of
from medallion_assets.curate.gates.quality.thresholds import Quality
from medallion_assets.curate.gates.quality.units import JUDGED, Judged, Placed
from medallion_assets.records import Rejected
from medallion_assets.schemas import ROLLOUT_UNIT
from medallion_assets.units import Message, Rollout

# Shorter, it may be a greeting returned.
MIN_REPEATED_CHARACTERS = 20

TextGate = Callable[[str], Rejected | None]


def quality_gates(quality: Quality, unit: str) -> tuple[Gate, ...]:
    """Those that are on, in the order in which they are asked; one that is off costs a record nothing."""
    if unit == ROLLOUT_UNIT:
        return (out_of_length,) if quality.truncated_answers == "reject" else ()
    return tuple(_gates(quality, JUDGED[unit]))


def _gates(quality: Quality, judged: Judged) -> Iterator[Gate]:
    if damage := tuple(_of_any_text(quality)):
        yield partial(damaged, judged.turns, damage)
    if lengths := tuple(_lengths("prompt", quality.min_prompt_characters, quality.max_prompt_characters)):
        yield partial(prompt_length, judged.prompts, lengths)
    if judged.answers is not None:
        if quality.prompt_equals_answer == "reject":
            yield partial(prompt_equals_answer, judged.opening)
        if of_answers := tuple(_of_answers(quality)):
            yield partial(first_of, judged.answers, of_answers)
    if quality.languages is not None:
        allowed = partial(texts.foreign, allowed=quality.languages, min_letters=quality.min_language_letters)
        yield partial(first_of, judged.answers or judged.prompts, (allowed,))


def _of_any_text(quality: Quality) -> Iterator[TextGate]:
    if (most := quality.max_replacement_characters) is not None:
        yield partial(texts.replacement_characters, most=most)
    if (most := quality.max_mojibake) is not None:
        yield partial(texts.mojibake, most=most)


def _of_answers(quality: Quality) -> Iterator[TextGate]:
    yield from _lengths("answer", quality.min_answer_characters, quality.max_answer_characters)
    if quality.truncated_answers == "reject":
        yield texts.truncated
    if (most := quality.max_repetition) is not None:
        yield partial(texts.repetition, most=most)
    if quality.refusals is not None:
        yield partial(texts.refusal, phrases=pattern_of(quality.refusals))


def _lengths(what: str, least: int | None, most: int | None) -> Iterator[TextGate]:
    if least is not None:
        yield partial(texts.too_short, what=what, least=least)
    if most is not None:
        yield partial(texts.too_long, what=what, most=most)


def damaged(
    turns: Callable[[Any], Sequence[Sequence[Message]]], gates: Sequence[TextGate], record: Any
) -> Rejected | None:
    """Asked of every text, so ASCII, which can't be damaged, goes by first."""
    for messages in turns(record):
        for message in messages:
            if message.content.isascii():
                continue
            for gate in gates:
                if reject := gate(message.content):
                    return reject
    return None


def prompt_equals_answer(opening: Callable[[Any], Sequence[Message]], record: Any) -> Rejected | None:
    """Only of a first answer without a system turn: others may have been asked to repeat what is said."""
    turns = opening(record)
    if len(turns) > 1 and turns[0].content == turns[1].content:
        asked, answer = turns[:2]
        learned = (asked.role, answer.role, answer.train) == ("user", "assistant", True)
        if learned and len(answer.content) >= MIN_REPEATED_CHARACTERS:
            return Rejected("prompt_equals_answer", "the first answer repeats its prompt")
    return None


def prompt_length(
    prompts: Callable[[Any], Placed], gates: Sequence[TextGate], record: Any
) -> Rejected | None:
    """All that the user says is one prompt: in a conversation, single turns are often short."""
    said = "".join(text for _, text in prompts(record))
    return next((reject for gate in gates if (reject := gate(said)) is not None), None)


def first_of(placed: Callable[[Any], Placed], gates: Sequence[TextGate], record: Any) -> Rejected | None:
    for place, text in placed(record):
        for gate in gates:
            if (reject := gate(text)) is not None:
                return Rejected(reject.reason, f"{place}: {reject.detail}")
    return None


def out_of_length(rollout: Rollout) -> Rejected | None:
    if rollout.finish_reason == "length":
        return Rejected("truncated", "the sample ran out of length")
    return None
