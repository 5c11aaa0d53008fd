"""Sample conversations, generated from a seed: the same seed gives the same text, for ever.

Belongs here: words and how they are combined. Does not: sums (arithmetic.py) or any source's shape and faults
(conversations.py, judgements.py, tickets.py, rollouts.py).
"""

from __future__ import annotations

import random
from dataclasses import dataclass

SUBJECTS = (
    "a bicycle", "a compost heap", "a lighthouse", "a sourdough starter", "a telescope", "a water filter",
    "a weather station", "a wind turbine", "an hourglass", "an index", "the tides", "the seasons",
    "a glacier", "a beehive", "a compiler", "a hash table", "a library catalogue", "a sailing boat",
    "a vegetable garden", "a spreadsheet",
)  # fmt: skip
ASPECTS = (
    "how it works", "why it matters", "what can go wrong", "how to look after it", "where it came from",
    "what it costs to keep", "how to explain it to a child", "how to measure it", "which parts it has",
    "when to replace it",
)  # fmt: skip
TONES = (
    "briefly",
    "in plain words",
    "with an example",
    "step by step",
    "as a short list",
    "in two sentences",
)
OPENINGS = (
    "The short answer is that {subject} rewards patience.",
    "People often overlook how much depends on {subject}.",
    "Think of {subject} as a set of small parts that must agree.",
    "There are three things to know about {subject}.",
    "To understand {subject}, begin with what it is for.",
)
SENTENCES = (
    "First, check that nothing is loose, blocked or out of date.",
    "A good rule is to change one thing at a time and to write down what happened.",
    "Most problems come from the joints, not from the parts themselves.",
    "If the reading drifts by more than {number} percent, start again from a known state.",
    "Experienced keepers look at it every {number} days, even when all seems well.",
    "Heat, water and time do most of the damage; shade, air and attention undo it.",
    "It takes about {number} minutes once you have done it before.",
    "When in doubt, compare it with one that is known to be right.",
    "That is why the older designs still have their friends.",
    "Keep a record, because memory is kinder than numbers.",
)
FOLLOW_UPS = (
    "Could you say more about that?",
    "What would you do first?",
    "How would I know that it worked?",
)
SYSTEMS = (
    "You are a patient teacher.",
    "Answer as a practical engineer would.",
    "You help people look after things.",
)


@dataclass(frozen=True)
class Question:
    """A question and rival answers to it."""

    text: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Talk:
    """A conversation: an optional system text and pairs of (user, assistant)."""

    system: str | None
    turns: tuple[tuple[str, str], ...]


def seeded(seed: int | str) -> random.Random:
    """Where all samples take their chances from."""
    return random.Random(seed)


def talks(seed: int, count: int) -> list[Talk]:
    """`count` conversations of one to three exchanges."""
    chance = seeded(seed)
    return [_talk(chance) for _ in range(count)]


def questions(seed: int, count: int, *, answers: int) -> list[Question]:
    """`count` questions with so many answers each, no two of them equal."""
    chance = seeded(seed)
    return [_question(chance, answers) for _ in range(count)]


def _talk(chance: random.Random) -> Talk:
    subject = chance.choice(SUBJECTS)
    all_asked = [_asked(chance, subject), *chance.sample(FOLLOW_UPS, k=chance.choice((0, 0, 0, 1, 2)))]
    turns = tuple((asked, _answer(chance, subject)) for asked in all_asked)
    return Talk(chance.choice((None, None, *SYSTEMS)), turns)


def _question(chance: random.Random, answers: int) -> Question:
    subject = chance.choice(SUBJECTS)
    asked = _asked(chance, subject)
    rivals: dict[str, None] = {}
    while len(rivals) < answers:
        rivals[_answer(chance, subject)] = None
    return Question(asked, tuple(rivals))


def _asked(chance: random.Random, subject: str) -> str:
    return f"Tell me about {subject}: {chance.choice(ASPECTS)}, {chance.choice(TONES)}."


def _answer(chance: random.Random, subject: str) -> str:
    sentences = [chance.choice(OPENINGS), *chance.sample(SENTENCES, k=chance.randint(2, 7))]
    return " ".join(text.format(subject=subject, number=chance.randint(2, 90)) for text in sentences)
