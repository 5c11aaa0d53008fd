"""Judgements: annotators' votes, or scores, as one pair of a better and a worse answer.

Belongs here: what a vote means, how several are counted, when there is a tie, and where the source's `fields`
say that answers are. Does not: the places where a format looks without being told (formats/).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any, Generic, NamedTuple, TypeVar

from medallion_assets.conform import fields
from medallion_assets.conform.delivery import Options
from medallion_assets.records import Rejected

FIRST, SECOND, TIE = "first", "second", "tie"

Answer = TypeVar("Answer")


class Judged(NamedTuple, Generic[Answer]):
    chosen: Answer
    rejected: Answer
    margin: float
    annotators: int


class Scored(NamedTuple, Generic[Answer]):
    best: Answer
    worst: Answer
    best_score: float
    worst_score: float
    margin: float


def meaning(answer: Any, options: Options) -> str:
    """What this answer of an annotator stands for: first, second or tie."""
    text = fields.json_or_text(answer)
    if text is None or text not in options.votes:
        known = ", ".join(sorted(options.votes))
        raise Rejected("unknown_label", f"the answer {answer!r} is no vote; known: {known}")
    return options.votes[text]


def judged(first: Answer, second: Answer, votes: Sequence[str], options: Options) -> Judged[Answer]:
    """The side that the votes prefer. A kept tie has first as chosen and margin 0.

    The margin is the votes for chosen less those for the other, as a share of all: votes for a tie lower it.
    """
    counts = Counter(votes)
    verdict = _verdict(counts, options)
    if verdict == TIE:
        keep_tie(f"the verdict of {_told(counts)} is a tie", options)
        return Judged(first, second, 0.0, len(votes))
    chosen, rejected = (first, second) if verdict == FIRST else (second, first)
    margin = abs(counts[FIRST] - counts[SECOND]) / len(votes)
    return Judged(chosen, rejected, margin, len(votes))


def by_scores(
    answers: Sequence[Answer | None], scores: Sequence[float | None], options: Options
) -> Scored[Answer]:
    """The best against the worst; of equals the first is best and the last is worst. None takes no part."""
    if len(answers) != len(scores):
        raise Rejected("unequal_lengths", f"{len(scores)} scores for {len(answers)} answers")
    scored = [
        (score, answer)
        for score, answer in zip(scores, answers, strict=True)
        if score is not None and answer is not None
    ]
    if len(scored) < 2:
        raise Rejected("too_few_answers", f"{len(scored)} of {len(answers)} answers have a score, expected 2")
    best_score, best = max(scored, key=itemgetter(0))
    worst_score, worst = min(reversed(scored), key=itemgetter(0))
    if best_score == worst_score:
        keep_tie(f"{len(scored)} answers have the score {best_score:g}", options)
    return Scored(best, worst, best_score, worst_score, best_score - worst_score)


def keep_tie(detail: str, options: Options) -> None:
    """Raises where ties are rejected."""
    if options.ties == "reject":
        raise Rejected("tie", detail)


def located(row: dict[str, Any], name: str, options: Options, *usual: str) -> Any:
    """The value where `fields` says that this is, else under the first usual key that holds one; or None."""
    values = (fields.at(row, path) for path in options.fields.get(name, usual))
    return next((value for value in values if value is not fields.ABSENT and value is not None), None)


def needed(row: dict[str, Any], name: str, options: Options, *usual: str) -> Any:
    """The same, and it must be there."""
    value = located(row, name, options, *usual)
    if value is None:
        paths = " or ".join(map(repr, options.fields.get(name, usual)))
        raise Rejected("missing_field", f"{paths} is missing; found {sorted(row)}")
    return value


def field_problems(options: Options, known: Sequence[str], *, required: Sequence[str] = ()) -> Iterator[str]:
    """What is wrong with the names and paths under `fields`."""
    allowed = ", ".join(known)
    for name in sorted(set(options.fields) - set(known)):
        yield f"`fields` has {name!r}, which this format does not read; allowed: {allowed}"
    for name in required:
        if name not in options.fields:
            yield f"`fields` lacks {name!r}; needed: {', '.join(required)}"
    for name, paths in options.fields.items():
        if name in known and len(paths) != 1:
            yield f"`fields` has {len(paths)} paths for {name!r}, expected one"


def _verdict(counts: Counter[str], options: Options) -> str:
    if not counts:
        raise Rejected("unanswered", "no vote counts")
    most = max(counts.values())
    winners = [vote for vote, count in counts.items() if count == most]
    if len(winners) == 1 and (len(counts) == 1 or options.annotators == "majority"):
        return winners[0]
    if options.annotators == "majority" and options.ties == "keep":
        return TIE
    raise Rejected("disagreement", _told(counts))


def _told(counts: Counter[str]) -> str:
    votes = ", ".join(f"{counts[vote]} {vote}" for vote in (FIRST, SECOND, TIE) if counts[vote])
    return f"the votes {votes}"
