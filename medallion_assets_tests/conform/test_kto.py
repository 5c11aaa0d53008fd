"""Laws of the kto format."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from medallion_assets.conform.formats import kto
from medallion_assets.records import Rejected
from medallion_assets.units import Message, Preference
from medallion_assets_tests.conform.rows import HERE

conform = partial(kto.conform, delivery=HERE)
TURNS = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
PROMPT, ANSWER = [Message("user", "q")], [Message("assistant", "a")]


@pytest.mark.parametrize(
    "answered",
    [
        {"messages": TURNS},
        {"prompt": "q", "completion": "a"},
        {"prompt": TURNS[:1], "completion": TURNS[1:]},
        {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
    ],
)
def test_a_labelled_answer_is_one_side(answered: dict[str, Any]) -> None:
    assert conform({**answered, "label": True}) == Preference(PROMPT, ANSWER, None)
    assert conform({**answered, "label": False}) == Preference(PROMPT, None, ANSWER)


@pytest.mark.parametrize(("label", "kind"), [(True, "desirable"), (False, "undesirable")])
def test_the_label_is_the_kind(label: bool, kind: str) -> None:
    assert conform({"messages": TURNS, "label": label}).kind == kind


def test_earlier_answers_are_part_of_the_prompt() -> None:
    found = conform({"messages": [*TURNS, *TURNS], "system": "s", "tools": [{"name": "f"}], "label": True})
    prompt = [Message("system", "s"), *PROMPT, *ANSWER, *PROMPT]
    assert found == Preference(prompt, ANSWER, None, tools='[{"name":"f"}]')


def test_a_turn_after_the_last_answer_is_not_lost() -> None:
    found = conform({"messages": [*TURNS, TURNS[0]], "label": True})
    assert (found.prompt, found.chosen) == (PROMPT, ANSWER + PROMPT)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"messages": TURNS}, "missing_field: 'label' is missing; found ['messages']"),
        ({"messages": TURNS, "label": None}, "wrong_type: 'label' is a JSON null, expected a boolean"),
        ({"messages": TURNS, "label": 1}, "wrong_type: 'label' is a JSON number, expected a boolean"),
        ({"messages": TURNS[:1], "label": True}, "missing_assistant_turn: no assistant turn among 1"),
        ({"completion": "a", "label": True}, "missing_field: 'prompt' or "),
    ],
)
def test_each_fault_is_named(record: Any, expected: str) -> None:
    with pytest.raises(Rejected) as caught:
        conform(record)
    assert str(caught.value).startswith(expected)
