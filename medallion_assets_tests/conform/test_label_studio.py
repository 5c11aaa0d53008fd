"""Laws of the label_studio format."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from medallion_assets.conform.delivery import Options
from medallion_assets.conform.formats.label_studio import conform, problems
from medallion_assets.records import Rejected
from medallion_assets.units import Message, Preference
from medallion_assets_tests.conform.rows import HERE

DATA = {"prompt": "q", "answer1": "a", "answer2": "b"}
LEFT_WINS = Preference(
    [Message("user", "q")],
    [Message("assistant", "a")],
    [Message("assistant", "b")],
    margin=1.0,
    annotators=1,
    source_id="5",
)


def pairwise(side: Any) -> dict[str, Any]:
    return {"type": "pairwise", "from_name": "cmp", "to_name": "answer1", "value": {"selected": side}}


def choice(name: str, control: str = "better") -> dict[str, Any]:
    return {"type": "choices", "from_name": control, "value": {"choices": [name]}}


def annotation(*results: dict[str, Any], cancelled: bool = False, truth: bool = False) -> dict[str, Any]:
    return {"id": 1, "result": list(results), "was_cancelled": cancelled, "ground_truth": truth}


def task(*annotations: dict[str, Any], data: Any = DATA) -> dict[str, Any]:
    return {"id": 5, "data": data, "annotations": list(annotations), "predictions": [], "project": 83}


def here(**options: Any) -> Any:
    return replace(HERE, options=Options(**options))


LEFT, RIGHT = annotation(pairwise("left")), annotation(pairwise("right"))
SKIPPED = annotation(pairwise("right"), cancelled=True)
COMMENT = {"type": "textarea", "from_name": "why", "value": {"text": ["clearer"]}}


@pytest.mark.parametrize(
    "annotations",
    [
        [LEFT],
        [LEFT, SKIPPED, SKIPPED],
        [annotation(COMMENT, pairwise("left"))],
        [LEFT, annotation(COMMENT)],
        [RIGHT, annotation(pairwise("left"), truth=True), RIGHT],
        [annotation(pairwise("left")), annotation(pairwise("right"), cancelled=True, truth=True)],
    ],
)
def test_only_votes_that_count_are_counted(annotations: list[dict[str, Any]]) -> None:
    assert conform(task(*annotations), HERE) == LEFT_WINS


def test_several_annotators_are_several_votes() -> None:
    found = conform(task(LEFT, RIGHT, RIGHT, RIGHT), HERE)
    assert (found.chosen, found.margin, found.annotators) == ([Message("assistant", "b")], 0.5, 4)


def test_choices_are_votes_where_the_source_says_what_they_mean() -> None:
    options = {"votes": {"A": "first", "B": "second", "Same": "tie"}, "ties": "keep"}
    assert conform(task(annotation(choice("A"))), here(**options)) == LEFT_WINS
    assert conform(task(annotation(choice("Same"))), here(**options)).margin == 0.0


def test_the_control_that_asks_can_be_named() -> None:
    options = {"votes": {"A": "first", "B": "second"}, "fields": {"vote": ("better",)}}
    results = (choice("A"), choice("Safe", control="safety"), pairwise("right"))
    assert conform(task(annotation(*results)), here(**options)) == LEFT_WINS


def test_fields_name_other_keys_of_data() -> None:
    data = {"chat": {"ask": "q"}, "one": "a", "two": "b"}
    fields = {"prompt": ("chat.ask",), "first": ("one",), "second": ("two",)}
    assert conform(task(LEFT, data=data), here(fields=fields)) == LEFT_WINS


@pytest.mark.parametrize("key", ["prompt", "messages", "dialogue"])
@pytest.mark.parametrize("spelling", [("role", "content"), ("from", "value"), ("author", "text")])
def test_the_prompt_may_be_a_conversation(key: str, spelling: tuple[str, str]) -> None:
    said = [("user", "x"), ("assistant", "y"), ("user", "z")]
    chat = [dict(zip(spelling, turn, strict=True)) for turn in said]
    found = conform(task(LEFT, data={key: chat, "answer1": "a", "answer2": "b"}), HERE)
    assert found.prompt == [Message(*turn) for turn in said]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (task(), "unanswered: no vote counts"),
        (task(annotation()), "unanswered: no vote counts"),
        (task(annotation(choice("A"))), "unanswered: no vote counts"),
        (task(SKIPPED, SKIPPED), "cancelled: all 2 annotations were cancelled"),
        (task(LEFT, RIGHT), "disagreement: the votes 1 first, 1 second"),
        (
            task(annotation(pairwise("left"), pairwise("right"))),
            "ambiguous_vote: one annotation says first and second",
        ),
        (
            task(annotation(pairwise("middle"))),
            "unknown_label: a pairwise vote selected 'middle'; known: left, right",
        ),
        (task(LEFT, data={"prompt": "q"}), "missing_field: 'answer1' is missing; found ['prompt']"),
        ({"id": 1}, "missing_field: 'data' is missing; found ['id']"),
        (task(LEFT, data="q"), "wrong_type: 'data' is a JSON string, expected an object"),
        ({"id": 1, "data": DATA}, "missing_field: 'annotations' is missing; found ['data', 'id']"),
        (
            task({"id": 1, "result": None}),
            "wrong_type: 'result' is a JSON null, expected an array",
        ),
    ],
)
def test_each_fault_is_named(row: Any, expected: str) -> None:
    with pytest.raises(Rejected) as caught:
        conform(row, HERE)
    assert str(caught.value) == expected


@pytest.mark.parametrize("side", [None, [], {}])
def test_a_side_that_is_no_text_is_no_vote(side: Any) -> None:
    with pytest.raises(Rejected, match="unknown_label: a pairwise vote selected"):
        conform(task(annotation(pairwise(side))), HERE)


def test_a_name_that_it_does_not_read_is_a_problem() -> None:
    found = list(problems("preference_triples", Options(fields={"left": ("a",)})))
    assert found == [
        "`fields` has 'left', which this format does not read; allowed: prompt, first, second, vote"
    ]
