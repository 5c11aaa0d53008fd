"""Sample conversations, generated from a seed: the same seed gives the same text, for ever.

Belongs here: words and how they are combined. Does not: any source's format (exports.py).
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
class Talk:
    """A conversation: an optional system text and pairs of (user, assistant)."""

    system: str | None
    turns: tuple[tuple[str, str], ...]


def talks(seed: int, count: int) -> list[Talk]:
    """`count` conversations of one to three exchanges."""
    chance = random.Random(seed)
    return [_talk(chance) for _ in range(count)]


def _talk(chance: random.Random) -> Talk:
    subject = chance.choice(SUBJECTS)
    question = f"Tell me about {subject}: {chance.choice(ASPECTS)}, {chance.choice(TONES)}."
    questions = [question, *chance.sample(FOLLOW_UPS, k=chance.choice((0, 0, 0, 1, 2)))]
    turns = tuple((asked, _answer(chance, subject)) for asked in questions)
    return Talk(chance.choice((None, None, *SYSTEMS)), turns)


def _answer(chance: random.Random, subject: str) -> str:
    sentences = [chance.choice(OPENINGS), *chance.sample(SENTENCES, k=chance.randint(2, 7))]
    return " ".join(text.format(subject=subject, number=chance.randint(2, 90)) for text in sentences)
