"""UltraFeedback: {"instruction", "completions": [{"response", "annotations": {aspect: {"Rating"}}}, …]}.

A completion's score is the mean of its aspects' ratings, "N/A" left out; or its overall_score where no aspect
has a rating: that one is wrong in places (10 where the critique says 1).
"""

from __future__ import annotations

from statistics import fmean
from typing import Any

from medallion_assets.conform import fields
from medallion_assets.conform.delivery import Delivery
from medallion_assets.conform.pairs import scored_pair
from medallion_assets.units import Message, Preference

UNITS = ("preference_triples",)
OPTIONS = ("ties",)
UNRATED = "N/A"


def conform(record: Any, delivery: Delivery) -> Preference:
    """The best completion against the worst."""
    row = fields.an_object(record)
    completions = [fields.an_object(item, "a completion") for item in fields.a_list(row, "completions")]
    answers = [[Message("assistant", fields.text(item, "response"))] for item in completions]
    return scored_pair(row, answers, [_score(item) for item in completions], delivery.options)


def _score(completion: dict[str, Any]) -> float | None:
    annotations = fields.an_object(completion.get("annotations") or {}, "'annotations'")
    ratings = [_rating(fields.an_object(aspect, name), name) for name, aspect in annotations.items()]
    given = [rating for rating in ratings if rating is not None]
    return fmean(given) if given else fields.number(completion.get("overall_score"), "'overall_score'")


def _rating(aspect: dict[str, Any], name: str) -> float | None:
    rating = aspect.get("Rating")
    return None if rating == UNRATED else fields.number(rating, f"the rating of {name}")
