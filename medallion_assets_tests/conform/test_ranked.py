"""Laws of the ranked format."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from medallion_assets.conform.delivery import Options
from medallion_assets.conform.formats.ranked import conform, problems
from medallion_assets.records import Rejected
from medallion_assets.units import Message, Preference
from medallion_assets_tests.conform.rows import HERE

A_BEATS_C = Preference([Message("user", "q")], [Message("assistant", "a")], [Message("assistant", "c")])
SCORED = replace(A_BEATS_C, chosen_score=3.0, rejected_score=1.0, margin=2.0)
TRANSCRIPTS = [f"## Human:\nq\n\n\n\n## Assistant:\n{answer}" for answer in "bac"]


def here(**options: Any) -> Any:
    return replace(HERE, options=Options(**options))


@pytest.mark.parametrize("key", ["answers", "output", "responses", "completions"])
def test_the_first_answer_is_set_against_the_last(key: str) -> None:
    assert conform({"prompt": "q", key: ["a", "b", "c"]}, HERE) == A_BEATS_C


@pytest.mark.parametrize("key", ["score", "scores"])
def test_scores_rank_instead_of_the_order(key: str) -> None:
    assert conform({"instruction": "q", "answers": ["b", "a", "c"], key: [2, 3, 1]}, HERE) == SCORED


def test_the_prompt_may_be_written_as_alpaca_does() -> None:
    record = {"instruction": "q", "input": "i", "history": [["x", "y"]], "system": "s", "output": ["a", "c"]}
    contents = [message.content for message in conform(record, HERE).prompt]
    assert contents == ["s", "x", "y", "q\n\ni"]


def test_answers_may_be_turns() -> None:
    answers = [[{"role": "assistant", "content": "a"}], {"from": "gpt", "value": "c"}]
    assert conform({"prompt": "q", "answers": answers}, HERE) == A_BEATS_C


def test_fields_name_other_places() -> None:
    record = {"task": {"question": "q"}, "drafts": ["b", "a", "c"], "judge": {"marks": ["2", "3", "1"]}}
    fields = {"prompt": ("task.question",), "answers": ("drafts",), "scores": ("judge.marks",)}
    assert conform(record, here(fields=fields)) == SCORED


def test_transcripts_carry_their_prompt() -> None:
    record = {"text": TRANSCRIPTS, "score": [2, 3, 1]}
    assert conform(record, here(fields={"answers": ("text",)})) == SCORED


def test_equal_scores_are_a_tie() -> None:
    record = {"prompt": "q", "answers": ["a", "c"], "scores": [1, 1]}
    with pytest.raises(Rejected, match="tie: 2 answers have the score 1"):
        conform(record, HERE)
    kept = replace(A_BEATS_C, chosen_score=1.0, rejected_score=1.0, margin=0.0)
    assert conform(record, here(ties="keep")) == kept


@pytest.mark.parametrize(
    ("record", "options", "expected"),
    [
        (
            {"prompt": "q"},
            {},
            "missing_field: 'answers' or 'output' or 'responses' or 'completions' is missing",
        ),
        ({"prompt": "q", "answers": "a"}, {}, "wrong_type: the answers are a JSON string, expected an array"),
        ({"prompt": "q", "answers": ["a"]}, {}, "too_few_answers: 1 answers, expected 2 or more"),
        (
            {"prompt": "q", "answers": ["a", None]},
            {},
            "wrong_type: an answer is a JSON null, expected a string",
        ),
        (
            {"prompt": "q", "answers": ["a", "b"], "scores": [1]},
            {},
            "unequal_lengths: 1 scores for 2 answers",
        ),
        ({"answers": ["a", "b"]}, {}, "no_transcript: an answer begins with 'a', expected 'Human:'"),
        (
            {"prompt": "q", "answers": ["a", "b"]},
            {"fields": {"scores": ("marks",)}},
            "missing_field: 'marks' is missing; found ['answers', 'prompt']",
        ),
    ],
)
def test_each_fault_is_named(record: Any, options: Any, expected: str) -> None:
    with pytest.raises(Rejected) as caught:
        conform(record, here(**options))
    assert str(caught.value).startswith(expected)


def test_a_name_that_it_does_not_read_is_a_problem() -> None:
    found = list(problems("preference_triples", Options(fields={"chosen": ("a",)})))
    assert found == [
        "`fields` has 'chosen', which this format does not read; allowed: prompt, answers, scores"
    ]
