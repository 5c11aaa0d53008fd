"""HH-RLHF: {"chosen": "\\n\\nHuman: …\\n\\nAssistant: …", "rejected": …}, which begin with the same turns."""

from __future__ import annotations

from typing import Any

from medallion_assets.conform import fields, transcript, turns
from medallion_assets.conform.delivery import Delivery
from medallion_assets.units import Preference

UNITS = ("preference_triples",)


def conform(record: Any, delivery: Delivery) -> Preference:
    row = fields.an_object(record)
    chosen, rejected = (transcript.turns(fields.text(row, key), repr(key)) for key in ("chosen", "rejected"))
    return Preference(*turns.shared_prompt(chosen, rejected), source_id=fields.own_id(row))
