"""Argilla 2 records: {"fields": {…}, "responses": {question: [{"value", "user_id", "status"?}, …]}, …}.

The source's `fields` says which of them are the prompt, the first and the second answer, and which question
is the vote; its `votes` what that question's values mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from medallion_assets.conform import fields, turns, votes
from medallion_assets.conform.delivery import Delivery, Options
from medallion_assets.units import Preference

UNITS = ("preference_triples",)
OPTIONS = ("fields", "votes", "ties", "annotators")
FIELDS = ("prompt", "first", "second", "vote")


def problems(unit: str, options: Options) -> Iterator[str]:
    yield from votes.field_problems(options, FIELDS, required=FIELDS)
    if not options.votes:
        yield "`votes` is missing: what each value of the question means: first, second or tie"


def conform(record: Any, delivery: Delivery) -> Preference:
    row, options = fields.an_object(record), delivery.options
    shown = fields.held(row, "fields")
    first, second = (
        turns.said(votes.needed(shown, name, options), f"the {name} answer", by="assistant")
        for name in ("first", "second")
    )
    judged = votes.judged(first, second, _votes(row, options), options)
    prompt = turns.said(votes.needed(shown, "prompt", options), "the prompt", by="user")
    return Preference(
        prompt,
        judged.chosen,
        judged.rejected,
        margin=judged.margin,
        annotators=judged.annotators,
        source_id=fields.own_id(row),
    )


def _votes(row: dict[str, Any], options: Options) -> list[str]:
    """Of submitted responses; drafts and discarded ones are no votes."""
    questions = fields.an_object(row.get("responses") or {}, "'responses'")
    question = options.fields["vote"][0]
    responses = fields.a_list(questions, question) if question in questions else []
    given = [fields.an_object(response, "a response") for response in responses]
    return [
        votes.meaning(response.get("value"), options)
        for response in given
        if response.get("status", "submitted") == "submitted"
    ]
