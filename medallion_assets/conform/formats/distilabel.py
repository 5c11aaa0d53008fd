"""distilabel: {"instruction", "generations": [text, …], "ratings": [5, …], "chosen"?, "rejected"?, …}.

The pair that its formatting step made is taken as it is; without one, the best generation against the worst.
"""

from __future__ import annotations

from typing import Any

from medallion_assets.conform import fields, turns
from medallion_assets.conform.delivery import Delivery, Options
from medallion_assets.conform.pairs import ready_pair, scored_pair
from medallion_assets.units import Preference

UNITS = ("preference_triples",)
OPTIONS = ("ties",)


def conform(record: Any, delivery: Delivery) -> Preference:
    row = fields.an_object(record)
    if row.get("chosen") is None or row.get("rejected") is None:
        return _from_ratings(row, delivery.options)
    return ready_pair(row, delivery.options)


def _from_ratings(row: dict[str, Any], options: Options) -> Preference:
    generations = [
        None if text is None else turns.said(text, "a generation", by="assistant")
        for text in fields.a_list(row, "generations")
    ]
    # A judge that failed rates nothing: null, or a list of nulls.
    given = [None] * len(generations) if row.get("ratings") is None else fields.a_list(row, "ratings")
    ratings = [fields.number(rating, "a rating") for rating in given]
    return scored_pair(row, generations, ratings, options)
