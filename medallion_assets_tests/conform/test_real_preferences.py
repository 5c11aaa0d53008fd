"""Public preference data, record by record: every one is a row or a reject, with the reason told."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from medallion_assets.conform.delivery import Options
from medallion_assets_tests.conform.rows import Rows, conformed_file
from medallion_assets_tests.real_data import real_data

WEBGPT = {"fields": {"answers": ("text",), "scores": ("score",)}}
ARGILLA = {
    "fields": {
        "prompt": ("prompt",),
        "first": ("response_0",),
        "second": ("response_1",),
        "vote": ("preference_selection",),
    },
    "votes": {"resp_0_better": "first", "resp_1_better": "second", "equal": "tie"},
}
UNANSWERED = {"unanswered": 588}
SIDES = ("chosen", "rejected")


@dataclass(frozen=True)
class Expected:
    format: str
    file: str
    rows: int
    distinct: int
    rejected: dict[str, int] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


DATA_SETS = [
    Expected(
        "hh_rlhf",
        "preference/hh_rlhf_harmless_base_test.jsonl.gz",
        2_298,
        2_298,
        {"wrong_role_order": 9, "empty_output": 4, "prompt_equals_answer": 1},
    ),
    Expected("preference", "preference/dpo_en_demo.json", 300, 295),
    Expected("preference", "preference/dpo_zh_demo.json", 300, 289),
    Expected("kto", "preference/kto_en_demo.json", 299, 299, {"mojibake": 1}),
    Expected("ranked", "preference/oasst_zh_rm.json", 772, 772, {"identical_answers": 3}),
    Expected("ranked", "preference/webgpt_test_dsp.json", 656, 656, {"tie": 245}, WEBGPT),
    Expected("ranked", "preference/webgpt_test_dsp.json", 901, 901, {}, {**WEBGPT, "ties": "keep"}),
    Expected("alpaca_eval", "preference/alpaca_eval_annotations_vicuna13b.json", 803, 803, {"tie": 2}),
    Expected(
        "label_studio",
        "annotation_exports/label_studio_pairwise_rlhf.json",
        30,
        30,
        {"empty_output": 2},
    ),
    Expected(
        "argilla",
        "annotation_exports/argilla_ab_zh_tw.records.json",
        107,
        107,
        {**UNANSWERED, "tie": 102, "disagreement": 3},
        ARGILLA,
    ),
    Expected(
        "argilla",
        "annotation_exports/argilla_ab_zh_tw.records.json",
        211,
        211,
        {**UNANSWERED, "identical_answers": 1},
        {**ARGILLA, "ties": "keep"},
    ),
]


def load(expected: Expected) -> tuple[Rows, Rows]:
    options = Options(**expected.options)
    return conformed_file(
        expected.format, real_data(expected.file), unit="preference_triples", options=options
    )


def data_set(name: str, **options: Any) -> tuple[Rows, Rows]:
    [found] = [each for each in DATA_SETS if name in each.file and options.items() <= each.options.items()][
        :1
    ]
    return load(found)


@pytest.mark.parametrize("expected", DATA_SETS, ids=lambda expected: expected.file)
def test_every_record_is_accounted_for(expected: Expected) -> None:
    rows, rejects = load(expected)
    found = Expected(
        expected.format,
        expected.file,
        len(rows),
        len({row["record_id"] for row in rows}),
        dict(Counter(reject["reason"] for reject in rejects)),
        expected.options,
    )
    numbers = sorted(row["record_number"] for row in rows + rejects)
    assert (found, numbers) == (expected, list(range(1, len(rows) + len(rejects) + 1)))


def test_only_pairs_in_which_the_assistant_speaks_twice_are_out_of_order() -> None:
    """Five of them differ before their last turn; in four the assistant repeats itself within the prompt."""
    _, rejects = data_set("hh_rlhf")
    found = {reject["record_number"] for reject in rejects if reject["reason"] == "wrong_role_order"}
    assert found == {668, 764, 1255, 1320, 1689, 1850, 1951, 1953, 2037}


def test_every_prompt_waits_and_every_answer_is_the_assistants() -> None:
    rows, _ = data_set("hh_rlhf")
    ends = Counter(
        (row["prompt"][-1]["role"], *(tuple(turn["role"] for turn in row[side]) for side in SIDES))
        for row in rows
    )
    assert ends == {("user", ("assistant",), ("assistant",)): 2_298}


def test_labelled_answers_have_one_side() -> None:
    rows, _ = data_set("kto")
    shapes = Counter((row["kind"], row["chosen"] is None, row["rejected"] is None) for row in rows)
    assert shapes == {("desirable", False, True): 150, ("undesirable", True, False): 149}


def test_longer_conversations_keep_their_turns() -> None:
    rows, _ = data_set("dpo_en")
    roles = Counter(tuple(turn["role"] for turn in row["prompt"]) for row in rows)
    longer = sum(count for turns, count in roles.items() if len(turns) > 2)
    assert (roles["user",], roles["system", "user"], longer) == (114, 80, 106)


@pytest.mark.parametrize(
    ("name", "options", "margins"),
    [
        ("webgpt", {"ties": "keep"}, {0.0: 245, 1.0: 491, 2.0: 165}),
        ("argilla", {"ties": "keep"}, {0.0: 104, 1.0: 107}),
        ("label_studio", {}, {1.0: 30}),
    ],
)
def test_margins_say_how_clear_the_judgement_was(
    name: str, options: dict[str, str], margins: dict[float, int]
) -> None:
    rows, _ = data_set(name, **options)
    assert Counter(row["margin"] for row in rows) == margins


def test_annotators_are_counted() -> None:
    rows, _ = data_set("argilla")
    assert Counter(row["annotators"] for row in rows) == {1: 100, 2: 7}
