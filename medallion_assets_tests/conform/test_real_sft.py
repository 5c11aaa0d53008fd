"""Public SFT sets as TSV, trees, completions and by mapping; the figures agree with the data's own README."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest

from medallion_assets.conform.delivery import Options
from medallion_assets_tests.conform.rows import Rows, conformed_file
from medallion_assets_tests.real_data import real_data


@dataclass(frozen=True)
class Expected:
    """`fields` are those of the mapping format."""

    file: str
    format: str
    rows: int
    distinct: int
    rejected: dict[str, int] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)


T0 = "sft/t0_train_50k"
# Rows less repeated ones, by template; two templates have nothing but end marks as completions.
T0_DISTINCT = {
    "ag_news_classify": 200,
    "ag_news_which_section_choices": 200,
    "app_reviews_convert_to_rating": 200,
    "cnn_dailymail_3_0_0_2_or_3_sentences": 195,
    "cnn_dailymail_3_0_0_generate_story": 195,
    "cnn_dailymail_3_0_0_news_card_view": 195,
    "cnn_dailymail_3_0_0_sum_in_brief": 195,
    "cnn_dailymail_3_0_0_tldr_summary": 195,
    "gigaword_TLDR": 185,
    "gigaword_make_a_title": 185,
    "imdb_Movie_Expressed_Sentiment": 199,
    "imdb_Reviewer_Enjoyment_Yes_No": 199,
    "paws_labeled_final_Meaning": 200,
    "paws_labeled_final_Meaning_no_label": 200,
    "rotten_tomatoes_Reviewer_Enjoyment": 200,
    "samsum_Summarize_this_dialogue_": 200,
    "samsum_To_sum_up_this_dialog": 200,
    "samsum_Write_a_dialogue_that_match_this_summary": 200,
    "xsum_DOC_tldr": 200,
    "xsum_read_below_DOC_write_abstract": 200,
    "xsum_summarize_DOC": 200,
}
DATA_SETS = [
    Expected("sft/oasst_en_100_tree.jsonl", "oasst", 100, 100),
    Expected("sft/flan_cot_aqua_train.tsv", "flan_tsv", 2_669, 2_669, {"mojibake": 59}),
    Expected("sft/flan_cot_gsm8k_train.tsv", "flan_tsv", 7_473, 7_473),
    Expected("sft/flan_cot_strategyqa_train.tsv", "flan_tsv", 2_061, 2_060),
    Expected("sft/truthfulqa_judge_finetune_truth.jsonl", "prompt_completion", 22_434, 18_338),
    *(
        Expected(f"{T0}/{name}.jsonl", "prompt_completion", 200, distinct)
        for name, distinct in T0_DISTINCT.items()
    ),
    *(
        Expected(f"{T0}/trec_{name}.jsonl", "prompt_completion", 0, 0, {"empty_output": 200})
        for name in ("fine_grained_open", "what_category_best_describe")
    ),
    Expected(f"{T0}/trec_fine_grained_ABBR.jsonl", "prompt_completion", 0, 0),
    Expected(
        "annotation_exports/shepherd_human_feedback_raw.jsonl",
        "mapping",
        1_317,
        1_316,
        fields={"prompt": "metadata.context", "response": "metadata.output_correct", "id": "id"},
    ),
    Expected(
        "preference/dsp_domain_test.json",
        "mapping",
        660,
        660,
        {"empty_output": 1},
        fields={"prompt": "query", "response": "responses.normal"},
    ),
]


def load(file: str, format_name: str, fields: dict[str, str] | None = None) -> tuple[Rows, Rows]:
    paths = {name: (path,) for name, path in (fields or {}).items()}
    return conformed_file(format_name, real_data(file), options=Options(fields=paths))


def texts(rows: Rows, role: str) -> list[str]:
    return [message["content"] for row in rows for message in row["messages"] if message["role"] == role]


@pytest.mark.parametrize("expected", DATA_SETS, ids=lambda expected: expected.file)
def test_every_record_is_accounted_for(expected: Expected) -> None:
    rows, rejects = load(expected.file, expected.format, expected.fields)
    found = Expected(
        expected.file,
        expected.format,
        rows=len(rows),
        distinct=len({row["record_id"] for row in rows}),
        rejected=dict(Counter(reject["reason"] for reject in rejects)),
        fields=expected.fields,
    )
    numbers = sorted(row["record_number"] for row in rows + rejects)
    assert (found, numbers) == (expected, list(range(1, len(rows) + len(rejects) + 1)))


def test_every_file_of_the_templates_is_pinned() -> None:
    folder = real_data(f"{T0}/ag_news_classify.jsonl").parent
    pinned = {expected.file.removeprefix(f"{T0}/") for expected in DATA_SETS}
    assert {path.name for path in folder.iterdir()} <= pinned


def test_no_end_mark_is_left_in_the_completions() -> None:
    rows, _ = load(f"{T0}/ag_news_classify.jsonl", "prompt_completion")
    assert set(texts(rows, "assistant")) == {"Business", "Science and technology"}


def test_the_judge_says_yes_or_no() -> None:
    rows, _ = load("sft/truthfulqa_judge_finetune_truth.jsonl", "prompt_completion")
    assert set(texts(rows, "assistant")) == {"yes", "no"}


def test_the_trees_give_one_or_two_exchanges() -> None:
    rows, _ = load("sft/oasst_en_100_tree.jsonl", "oasst")
    assert Counter(len(row["messages"]) for row in rows) == {2: 58, 4: 42}


@pytest.mark.parametrize(("name", "lines"), [("aqua", 19_702), ("gsm8k", 2), ("strategyqa", 0)])
def test_each_spelt_line_feed_is_one_and_each_answer_is_said(name: str, lines: int) -> None:
    rows, _ = load(f"sft/flan_cot_{name}_train.tsv", "flan_tsv")
    said = texts(rows, "assistant")
    questions = texts(rows, "user")
    assert all("\nThe answer is " in text for text in said)
    assert sum(text.count("\n") for text in said + questions) == lines + len(rows)
