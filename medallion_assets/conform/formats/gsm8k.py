"""GSM8K: {"question", "answer": "the worked solution\n#### 1,234"}."""

from __future__ import annotations

from typing import Any

from medallion_assets.conform import fields
from medallion_assets.conform.delivery import Delivery
from medallion_assets.records import Rejected, canonical_json
from medallion_assets.units import Message, RlPrompt

UNITS = ("rl_prompts",)
FINAL_ANSWER = "####"


def conform(record: Any, delivery: Delivery) -> RlPrompt:
    row = fields.an_object(record)
    question, answer = fields.text(row, "question"), fields.text(row, "answer")
    solution, mark, final = answer.rpartition(FINAL_ANSWER)
    if not mark or not final.strip():
        raise Rejected(
            "missing_final_answer", f"'answer' ends with {answer[-40:]!r}, expected '#### <number>'"
        )
    return RlPrompt(
        [Message("user", question)],
        ground_truth=final.strip().replace(",", ""),
        verifier="gsm8k",
        data_source="gsm8k",
        ability="math",
        extra_info=canonical_json({"solution": solution.strip()}),
        source_id=fields.own_id(row),
    )
