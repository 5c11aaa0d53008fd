"""Laws of the hh_rlhf format."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from medallion_assets.conform.formats import hh_rlhf
from medallion_assets.records import Rejected
from medallion_assets.units import Message, Preference
from medallion_assets_tests.conform.rows import HERE

conform = partial(hh_rlhf.conform, delivery=HERE)
SHARED = "\n\nHuman: q\n\nAssistant: a\n\nHuman: r"
PROMPT = [Message("user", "q"), Message("assistant", "a"), Message("user", "r")]


def test_the_shared_turns_are_the_prompt() -> None:
    record = {"chosen": f"{SHARED}\n\nAssistant: good", "rejected": f"{SHARED}\n\nAssistant: bad"}
    assert conform(record) == Preference(
        PROMPT, [Message("assistant", "good")], [Message("assistant", "bad")]
    )


def test_answers_that_begin_with_the_same_words_are_kept_whole() -> None:
    record = {"chosen": f"{SHARED}\n\nAssistant: I can", "rejected": f"{SHARED}\n\nAssistant: I can't"}
    assert conform(record).rejected == [Message("assistant", "I can't")]


def test_a_side_may_have_several_turns() -> None:
    more = [Message("assistant", "b"), Message("user", "s"), Message("assistant", "c")]
    chosen = f"{SHARED}\n\nAssistant: b\n\nHuman: s\n\nAssistant: c"
    found = conform({"chosen": chosen, "rejected": f"{SHARED}\n\nAssistant: d"})
    assert found == Preference(PROMPT, more, [Message("assistant", "d")])


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ("text", "wrong_type: the record is a JSON string, expected an object"),
        ({"chosen": SHARED}, "missing_field: 'rejected' is missing; found ['chosen']"),
        ({"chosen": SHARED, "rejected": None}, "wrong_type: 'rejected' is a JSON null, expected a string"),
        ({"chosen": "good", "rejected": SHARED}, "no_transcript: 'chosen' begins with 'good', expected"),
        (
            {"chosen": "Human: a\n\nAssistant: b", "rejected": "Human: c\n\nAssistant: b"},
            "no_shared_prompt: 0 shared turns of 2 and 2 end with nothing, expected user",
        ),
        (
            {"chosen": f"{SHARED}\n\nAssistant: b", "rejected": "Human: q\n\nAssistant: a\n\nHuman: s"},
            "no_shared_prompt: 2 shared turns of 4 and 3 end with assistant, expected user",
        ),
    ],
)
def test_each_fault_is_named(record: Any, expected: str) -> None:
    with pytest.raises(Rejected) as caught:
        conform(record)
    assert str(caught.value).startswith(expected)
