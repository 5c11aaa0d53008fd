"""Which texts of a record the quality gates ask, by unit.

Answers are what is learned: an SFT pair's assistant turns with weight, a preference's chosen side. A rejected
answer may be bad, and so may a rollout. Only damage counts wherever it is, since nobody wrote it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medallion_assets.schemas import PREFERENCE_UNIT, PROMPT_UNIT, SFT_UNIT
from medallion_assets.units import Conversation, Message, Preference

Placed = Iterator[tuple[str, str]]


@dataclass(frozen=True)
class Judged:
    """What of a record is judged: all its turns, list by list; the turns that begin with a prompt and what is
    learned as its answer; all answers and all user turns, each with its place.
    """

    turns: Callable[[Any], Sequence[Sequence[Message]]]
    opening: Callable[[Any], Sequence[Message]]
    answers: Callable[[Any], Placed] | None = None

    def prompts(self, record: Any) -> Placed:
        """The user turns, which are all in the first list."""
        for place, turn in enumerate(self.turns(record)[0], start=1):
            if turn.role == "user":
                yield f"turn {place}", turn.content


def _learned(conversation: Conversation) -> Placed:
    for place, turn in enumerate(conversation.messages, start=1):
        if turn.role == "assistant" and turn.train and turn.content:
            yield f"turn {place}", turn.content


def _chosen(triple: Preference) -> Placed:
    for place, turn in enumerate(triple.chosen or (), start=1):
        if turn.role == "assistant" and turn.content:
            yield f"turn {place} of chosen", turn.content


JUDGED: Mapping[str, Judged] = {
    SFT_UNIT: Judged(lambda pair: (pair.messages,), lambda pair: pair.messages, _learned),
    PREFERENCE_UNIT: Judged(
        lambda triple: (triple.prompt, triple.chosen or (), triple.rejected or ()),
        lambda triple: triple.prompt + (triple.chosen or []) if len(triple.prompt) == 1 else (),
        _chosen,
    ),
    PROMPT_UNIT: Judged(lambda prompt: (prompt.prompt,), lambda prompt: prompt.prompt),
}
