"""Label Studio tasks: {"data": {"prompt", "answer1", "answer2"}, "annotations": [{"result": [vote]}, …]}.

The source's `fields` names other keys of data, and as `vote` the control that asks; with `votes`, choices
count as well as pairwise results.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from medallion_assets.conform import fields, turns, votes
from medallion_assets.conform.delivery import Delivery, Options
from medallion_assets.records import Rejected
from medallion_assets.units import Message, Preference

UNITS = ("preference_triples",)
OPTIONS = ("fields", "votes", "ties", "annotators")
PROMPTS = ("prompt", "messages", "dialogue")
SIDES = {"left": votes.FIRST, "right": votes.SECOND}


def problems(unit: str, options: Options) -> Iterator[str]:
    yield from votes.field_problems(options, ("prompt", "first", "second", "vote"))


def conform(record: Any, delivery: Delivery) -> Preference:
    row, options = fields.an_object(record), delivery.options
    data = fields.held(row, "data")
    first = _turns(votes.needed(data, "first", options, "answer1"), "the first answer", by="assistant")
    second = _turns(votes.needed(data, "second", options, "answer2"), "the second answer", by="assistant")
    given = [vote for annotation in _counted(row) for vote in _vote(annotation, options)]
    judged = votes.judged(first, second, given, options)
    return Preference(
        _turns(votes.needed(data, "prompt", options, *PROMPTS), "the prompt", by="user"),
        judged.chosen,
        judged.rejected,
        margin=judged.margin,
        annotators=judged.annotators,
        source_id=fields.own_id(row),
    )


def _turns(value: Any, what: str, *, by: str) -> list[Message]:
    """As elsewhere, or in the turns of its Paragraphs tag: {"author", "text"}."""
    if isinstance(value, list):
        value = [
            {"from": turn["author"], "value": turn["text"]}
            if isinstance(turn, dict) and {"author", "text"} <= turn.keys()
            else turn
            for turn in value
        ]
    return turns.said(value, what, by=by)


def _counted(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The annotations that were not cancelled; where some are the ground truth, those."""
    annotations = [fields.an_object(item, "an annotation") for item in fields.a_list(row, "annotations")]
    finished = [annotation for annotation in annotations if not annotation.get("was_cancelled")]
    if annotations and not finished:
        raise Rejected("cancelled", f"all {len(annotations)} annotations were cancelled")
    return [annotation for annotation in finished if annotation.get("ground_truth")] or finished


def _vote(annotation: dict[str, Any], options: Options) -> list[str]:
    """An annotation's vote, if it has one."""
    results = [fields.an_object(item, "a result") for item in fields.a_list(annotation, "result")]
    control = options.fields.get("vote", (None,))[0]
    meant = {
        vote
        for result in results
        if control is None or result.get("from_name") == control
        for vote in _meanings(result, options)
    }
    if len(meant) > 1:
        raise Rejected("ambiguous_vote", f"one annotation says {' and '.join(sorted(meant))}")
    return list(meant)


def _meanings(result: dict[str, Any], options: Options) -> Iterator[str]:
    if result.get("type") == "pairwise":
        side = fields.an_object(result.get("value"), "a vote").get("selected")
        if not isinstance(side, str) or side not in SIDES:
            raise Rejected("unknown_label", f"a pairwise vote selected {side!r}; known: left, right")
        yield SIDES[side]
    elif result.get("type") == "choices" and options.votes:
        value = fields.an_object(result.get("value"), "a vote")
        yield from (votes.meaning(choice, options) for choice in fields.a_list(value, "choices"))
