"""verl: {"data_source", "prompt": [{"role", "content"}], "ability", "reward_model": {"ground_truth"}, …}."""

from __future__ import annotations

from typing import Any

from medallion_assets.conform import fields, turns
from medallion_assets.conform.data_sources import verifier_for
from medallion_assets.conform.delivery import Delivery
from medallion_assets.records import Rejected
from medallion_assets.units import RlPrompt

UNITS = ("rl_prompts",)
OPTIONS = ("verifier",)


def conform(record: Any, delivery: Delivery) -> RlPrompt:
    row = fields.an_object(record)
    data_source = fields.text(row, "data_source")
    for key in ("prompt", "reward_model"):
        if key not in row:
            raise Rejected("missing_field", f"{key!r} is missing; found {sorted(row)}")
    reward_model = fields.an_object(row["reward_model"], "'reward_model'")
    return RlPrompt(
        turns.said(row["prompt"], "'prompt'", by="user"),
        ground_truth=fields.json_or_text(reward_model.get("ground_truth")),
        verifier=verifier_for(data_source) or delivery.options.verifier or data_source,
        data_source=data_source,
        ability=fields.optional_text(row, "ability"),
        extra_info=fields.json_or_text(row.get("extra_info")),
        source_id=fields.own_id(row),
    )
