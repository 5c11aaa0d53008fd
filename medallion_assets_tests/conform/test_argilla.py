"""Laws of the argilla format."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from medallion_assets.conform.delivery import Options
from medallion_assets.conform.formats.argilla import conform, problems
from medallion_assets.records import Rejected
from medallion_assets.units import Message, Preference
from medallion_assets_tests.conform.rows import HERE

OPTIONS = Options(
    fields={"prompt": ("ask",), "first": ("one",), "second": ("two",), "vote": ("which",)},
    votes={"1": "first", "two is better": "second", "equal": "tie"},
)
FEED = replace(HERE, options=OPTIONS)
SHOWN = {"ask": "q", "one": "a", "two": "b"}


def record(*values: Any, shown: Any = SHOWN, **other: Any) -> dict[str, Any]:
    given = [{"value": value, "user_id": f"u{place}"} for place, value in enumerate(values)]
    return {"id": "r1", "fields": shown, "responses": {"which": given}, "suggestions": {}, **other}


def test_the_question_s_answers_judge_the_fields() -> None:
    assert conform(record("two is better", "two is better", 1), FEED) == Preference(
        [Message("user", "q")],
        [Message("assistant", "b")],
        [Message("assistant", "a")],
        margin=1 / 3,
        annotators=3,
        source_id="r1",
    )


@pytest.mark.parametrize("status", ["draft", "discarded"])
def test_only_submitted_responses_count(status: str) -> None:
    row = record("two is better")
    row["responses"]["which"] += [{"value": "equal", "status": status}, {"value": 1, "status": status}]
    assert conform(row, FEED).annotators == 1


def test_other_questions_are_no_votes() -> None:
    row = record(1)
    row["responses"]["reasoning"] = [{"value": "because", "user_id": "u1"}]
    assert conform(row, FEED).annotators == 1


def test_chat_fields_are_turns() -> None:
    chat = [{"role": role, "content": role} for role in ("user", "assistant", "user")]
    row = record(1, shown={**SHOWN, "ask": chat, "one": [{"role": "assistant", "content": "a"}]})
    found = conform(row, FEED)
    assert [message.role for message in found.prompt] == ["user", "assistant", "user"]
    assert found.chosen == [Message("assistant", "a")]


@pytest.mark.parametrize("responses", [{}, None, {"which": []}, {"reasoning": [{"value": "because"}]}])
def test_a_record_that_nobody_judged_is_unanswered(responses: Any) -> None:
    with pytest.raises(Rejected, match="unanswered: no vote counts"):
        conform(record(responses=responses), FEED)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (record("three"), "unknown_label: the answer 'three' is no vote; known: 1, equal, two is better"),
        (record(None), "unknown_label: the answer None is no vote; known: 1, equal, two is better"),
        (record("equal"), "tie: the verdict of the votes 1 tie is a tie"),
        (record(1, "equal"), "disagreement: the votes 1 first, 1 tie"),
        (record(1, shown={"ask": "q", "one": "a"}), "missing_field: 'two' is missing; found ['ask', 'one']"),
        ({}, "missing_field: 'fields' is missing; found []"),
        (record(1, shown=None), "wrong_type: 'fields' is a JSON null, expected an object"),
        (
            record(responses={"which": "equal"}),
            "wrong_type: 'which' is a JSON string, expected an array",
        ),
    ],
)
def test_each_fault_is_named(row: Any, expected: str) -> None:
    with pytest.raises(Rejected) as caught:
        conform(row, FEED)
    assert str(caught.value) == expected


def test_what_a_source_must_say_is_told_at_once() -> None:
    assert list(problems("preference_triples", OPTIONS)) == []
    assert list(problems("preference_triples", Options(fields={"first": ("a",), "vote": ("b",)}))) == [
        "`fields` lacks 'prompt'; needed: prompt, first, second, vote",
        "`fields` lacks 'second'; needed: prompt, first, second, vote",
        "`votes` is missing: what each value of the question means: first, second or tie",
    ]
