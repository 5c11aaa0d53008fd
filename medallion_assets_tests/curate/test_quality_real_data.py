"""What the quality gates make of real data: by default only what is broken falls."""

from __future__ import annotations

from collections import Counter

import pytest

from medallion_assets.conform.delivery import Options
from medallion_assets_tests.conform.rows import conformed_file
from medallion_assets_tests.real_data import real_data

QUALITY_REASONS = ("mojibake", "prompt_equals_answer", "replacement_characters")
CALL_REASONS = ("misplaced_tool_call", "invalid_tool_call", "unknown_tool", "unknown_tool_call_id")


@pytest.mark.parametrize(
    ("format_name", "unit", "file", "refused"),
    [
        ("alpaca", "sft_pairs", "sft/lima_1k.json", {}),
        ("alpaca", "sft_pairs", "sft/alpaca_zh_demo.json", {}),
        ("alpaca", "sft_pairs", "sft/oasst_zh_sft.json", {}),
        ("sharegpt", "sft_pairs", "sft/glaive_toolcall_en.json", {}),
        ("flan_tsv", "sft_pairs", "sft/flan_cot_aqua_train.tsv", {"mojibake": 59}),
        ("preference", "preference_triples", "preference/dpo_zh_demo.json", {}),
        ("kto", "preference_triples", "preference/kto_en_demo.json", {"mojibake": 1}),
        (
            "hh_rlhf",
            "preference_triples",
            "preference/hh_rlhf_harmless_base_test.jsonl.gz",
            {"prompt_equals_answer": 1},
        ),
        ("ranked", "preference_triples", "preference/oasst_zh_rm.json", {}),
    ],
)
def test_by_default_only_what_is_broken_falls(
    format_name: str, unit: str, file: str, refused: dict[str, int]
) -> None:
    _, rejects = conformed_file(format_name, real_data(file), unit=unit, options=Options())
    found = Counter(reject["reason"] for reject in rejects)
    assert {reason: found[reason] for reason in QUALITY_REASONS + CALL_REASONS if found[reason]} == refused
