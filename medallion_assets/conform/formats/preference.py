"""Pairs: {"prompt", "chosen", "rejected", "score_chosen"?, "score_rejected"?, "system"?, "tools"?}.

Each side is a text, a turn or a list of turns; lists may begin with the prompt's turns, as Tulu's do. The
prompt may be LLaMA-Factory's `conversations`, or Alpaca's instruction and input.
"""

from __future__ import annotations

from typing import Any

from medallion_assets.conform import fields
from medallion_assets.conform.delivery import Delivery
from medallion_assets.conform.pairs import ready_pair
from medallion_assets.units import Preference

UNITS = ("preference_triples",)
OPTIONS = ("ties",)


def conform(record: Any, delivery: Delivery) -> Preference:
    return ready_pair(fields.an_object(record), delivery.options)
