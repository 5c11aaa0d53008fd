"""Laws of the preference format."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from medallion_assets.conform.formats import preference
from medallion_assets.records import Rejected
from medallion_assets.units import Message, Preference
from medallion_assets_tests.conform.rows import HERE

conform = partial(preference.conform, delivery=HERE)
USER = {"role": "user", "content": "q"}
GOOD, BAD = {"role": "assistant", "content": "good"}, {"role": "assistant", "content": "bad"}
TEXTS = {"prompt": "q", "chosen": "good", "rejected": "bad"}
PAIR = Preference([Message("user", "q")], [Message("assistant", "good")], [Message("assistant", "bad")])


@pytest.mark.parametrize(
    "record",
    [
        TEXTS,
        {"prompt": [USER], "chosen": [GOOD], "rejected": [BAD]},
        {"prompt": "q", "chosen": GOOD, "rejected": BAD},
        {"prompt": "q", "chosen": [USER, GOOD], "rejected": [USER, BAD]},
        {"chosen": [USER, GOOD], "rejected": [USER, BAD]},
        {"instruction": "q", "input": "", "chosen": "good", "rejected": "bad"},
        {
            "conversations": [{"from": "human", "value": "q"}],
            "chosen": {"from": "gpt", "value": "good"},
            "rejected": {"from": "gpt", "value": "bad"},
        },
    ],
)
def test_every_spelling_of_a_pair_is_the_same_pair(record: dict[str, Any]) -> None:
    assert conform(record) == PAIR


def test_the_shared_turns_of_a_long_conversation_are_the_prompt() -> None:
    shared = [USER, GOOD, {"role": "user", "content": "r"}]
    found = conform({"prompt": "q", "chosen": [*shared, GOOD], "rejected": [*shared, BAD]})
    assert [message.content for message in found.prompt] == ["q", "good", "r"]
    assert (found.chosen, found.rejected) == (PAIR.chosen, PAIR.rejected)


def test_system_tools_and_id_are_kept() -> None:
    found = conform({**TEXTS, "system": "s", "tools": '[{"name": "f"}]', "id": 3})
    assert found.prompt == [Message("system", "s"), Message("user", "q")]
    assert (found.tools, found.source_id) == ('[{"name":"f"}]', "3")


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ({}, (None, None, None)),
        ({"score_chosen": 8.5, "score_rejected": 6}, (8.5, 6, 2.5)),
        ({"chosen_score": "8", "rejected_score": "9"}, (8, 9, -1)),
        ({"chosen_rating": 5, "rejected_rating": 0}, (5, 0, 5)),
        ({"score_chosen": None, "chosen_rating": 0}, (0, None, None)),
    ],
)
def test_the_margin_is_the_difference_of_two_scores(scores: dict[str, Any], expected: Any) -> None:
    found = conform({**TEXTS, **scores})
    assert (found.chosen_score, found.rejected_score, found.margin) == expected


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (["q"], "wrong_type: the record is a JSON array, expected an object"),
        ({"prompt": "q", "chosen": "a"}, "missing_field: 'rejected' is missing; found ['chosen', 'prompt']"),
        ({**TEXTS, "chosen": None}, "wrong_type: 'chosen' is a JSON null, expected a string, a turn or"),
        ({"chosen": "a", "rejected": "b"}, "missing_field: 'prompt' or 'instruction' or "),
        (
            {"chosen": [USER, GOOD], "rejected": [{"role": "user", "content": "r"}, BAD]},
            "no_shared_prompt: 0 shared turns of 2 and 2 end with nothing, expected user",
        ),
        ({**TEXTS, "score_chosen": "high"}, "wrong_type: 'score_chosen' is 'high', expected a finite number"),
    ],
)
def test_each_fault_is_named(record: Any, expected: str) -> None:
    with pytest.raises(Rejected) as caught:
        conform(record)
    assert str(caught.value).startswith(expected)
