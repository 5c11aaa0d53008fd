"""Laws of traces through what is made from rollouts, and into evaluation sets."""

from __future__ import annotations

from typing import Any

import pytest

from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets_tests.pipeline.sample import TOKENIZER, Site, alpaca
from medallion_assets_tests.trace.stores import answers, materialized, medallion

CONFIG = PipelineConfig.model_validate(
    {
        "start_date": "2024-09-01",
        "sources": [
            {"name": "alpaca", "unit": "sft_pairs", "format": "alpaca"},
            {"name": "verl", "unit": "rl_rollouts", "format": "verl_rollouts"},
            {"name": "prompts", "unit": "rl_prompts", "format": "gsm8k"},
        ],
        "eval_sets": [{"name": "exam", "fields": ["items.question"]}],
        "rollouts": {"preferences": {}, "rejection_sampling": {}, "pass_rates": {}},
        "recipes": [{"name": "sft", "unit": "sft_pairs", "tokenizer": TOKENIZER}],
    }
)
ROLLOUTS = [
    {"input": "2 + 2", "output": "four", "score": 1.0, "step": 7},
    {"input": "2 + 2", "output": "five", "score": 0.0, "step": 7},
    {"input": "say hi", "output": "hi", "score": 1.0, "step": 7},
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(tmp_path_factory.mktemp("rollouts"), CONFIG)
    site.land("verl/2024-09-01/7.jsonl", ROLLOUTS)
    site.land("alpaca/2024-09-01/a.jsonl", [alpaca("say hi", "hi")])
    site.land("prompts/2024-09-01/p.jsonl", [{"question": "3 + 4", "answer": "seven\n#### 7"}])
    site.land(
        "evals/exam/2024-09-01/e.jsonl",
        [{"items": [{"question": "why"}, {"question": "how"}]}, {"items": []}],
    )
    return materialized(site, "2024-09-01", "2024-09-02")


def line(site: Site, file: str, number: int) -> dict[str, Any]:
    [fate] = answers(site.roots.data, "file", file, "--line", str(number))
    return fate


def hops(fate: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(hop["table"], hop["partition"], hop["outcome"]) for hop in fate["hops"]]


OF_A_ROLLOUT = [
    ("silver/verl_conformed", "2024-09-01", "kept"),
    ("silver/rl_rollouts", "2024-09-01", "kept"),
]
AS_PREFERENCE = [
    ("silver/rollout_preferences_conformed", "2024-09-02", "kept"),
    ("silver/preference_triples", "2024-09-02", "kept"),
]
AS_SFT = [
    ("silver/rollout_sft_conformed", "2024-09-02", "kept"),
    ("silver/sft_pairs", "2024-09-02", "kept"),
    ("gold/sft", "2024-09-02", "packed"),
]


def test_a_rollout_leads_to_everything_that_was_made_from_it(site: Site) -> None:
    best, worst = (line(site, "7.jsonl", number) for number in (1, 2))
    assert [hops(best), hops(worst)] == [OF_A_ROLLOUT, OF_A_ROLLOUT]
    assert [hops(each) for each in best["derived"]] == [
        [*OF_A_ROLLOUT, *AS_PREFERENCE],
        [*OF_A_ROLLOUT, *AS_SFT],
    ]
    assert [hops(each) for each in worst["derived"]] == [[*OF_A_ROLLOUT, *AS_PREFERENCE]]


def test_what_was_made_from_rollouts_leads_back_to_the_line_of_the_best_one(site: Site) -> None:
    best, worst = (line(site, "7.jsonl", number) for number in (1, 2))
    ids = [fate["hops"][-1]["record_id"] for fate in (best, worst)]
    preference, sft = best["derived"]
    for derived, made_from in ((preference, "/".join(ids)), (sft, ids[0])):
        [found] = answers(site.roots.data, "record", derived["hops"][3]["record_id"])
        assert found["fate"] == derived
        assert found["fate"]["origin"] == best["origin"]
        assert found["fate"]["hops"][2]["note"] == f"made from rollout {made_from}"


def test_a_token_of_a_derived_record_traces_to_its_rollouts_line(site: Site) -> None:
    words = ("gold", "sft", "--partition", "2024-09-02", "--bin", "0", "--position", "0")
    [answer] = answers(site.roots.data, *words)
    assert answer["record"]["fate"] == line(site, "7.jsonl", 1)["derived"][1]


def test_a_derived_record_that_repeats_a_delivered_one_leads_to_it(site: Site) -> None:
    [derived] = line(site, "7.jsonl", 3)["derived"]
    assert hops(derived) == [
        *OF_A_ROLLOUT,
        AS_SFT[0],
        ("silver/sft_pairs", "2024-09-02", "rejected"),
    ]
    assert derived["survivor"] == line(site, "a.jsonl", 1)


def test_a_prompt_is_followed_into_the_newest_curriculum(site: Site) -> None:
    fate = line(site, "p.jsonl", 1)
    assert hops(fate) == [
        ("silver/prompts_conformed", "2024-09-01", "kept"),
        ("silver/rl_prompts", "2024-09-01", "kept"),
        ("silver/rl_curriculum", "2024-09-02", "kept"),
    ]
    assert fate["hops"][-1]["note"] == "0 of 0 rollouts solved it"


def test_an_evaluation_record_is_its_items_or_a_reject(site: Site) -> None:
    fates = [line(site, "e.jsonl", number) for number in (1, 2)]
    table = "silver/eval_exam"
    assert [hops(fate) for fate in fates] == [
        [(table, "2024-09-01", "kept")],
        [(table, "2024-09-01", "rejected")],
    ]
    [found] = answers(site.roots.data, "record", fates[0]["hops"][0]["record_id"])
    assert found["fate"] == fates[0]
    [funnel] = answers(site.roots.data, "file", "e.jsonl")
    assert (funnel["passages"][0]["kept"], funnel["passages"][0]["rejected"]) == (1, {"no_items": 1})


def test_the_words_of_a_rollouts_trace_name_each_table_on_its_way(site: Site) -> None:
    text = medallion(site.roots.data, "file", "7.jsonl", "--line", "1").output
    tables = [table for table, _, _ in (*OF_A_ROLLOUT, *AS_PREFERENCE, *AS_SFT)]
    assert [text.count(f"{table} 2024-09-0") for table in tables] == [1] * len(tables)
