"""Laws of the mapping format: what a source's `fields` may say, and the records that they make."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.conform.delivery import Options
from medallion_assets.conform.format import load_format
from medallion_assets.conform.formats.mapping import conform
from medallion_assets.conform.mapping import TARGETS, problems
from medallion_assets.conform.rollout_names import place_of
from medallion_assets.records import Rejected
from medallion_assets.schemas import PREFERENCE_UNIT, PROMPT_UNIT, ROLLOUT_UNIT, SFT_UNIT
from medallion_assets.units import Conversation, Message, Preference, RlPrompt, Rollout
from medallion_assets_tests.conform.rows import HERE, bronze_row, conformed

PAIR = {"prompt": "q", "response": "a"}
VOTED = {"prompt": "q", "first": "one", "second": "two", "vote": ("v", "w", "x")}
VOTES = {"1": "first", "2": "second", "0": "tie", "true": "first", "null": "tie"}
USER, ASSISTANT = Message("user", "q"), Message("assistant", "a")


def options(fields: dict[str, Any], **other: Any) -> Options:
    paths = {name: (path,) if isinstance(path, str) else path for name, path in fields.items()}
    return Options(fields=paths, **other)


def mapped(record: Any, fields: dict[str, Any], **other: Any) -> Any:
    return conform(record, replace(HERE, record_number=7, options=options(fields, **other)))


def fault(record: Any, fields: dict[str, Any], **other: Any) -> str:
    with pytest.raises(Rejected) as caught:
        mapped(record, fields, **other)
    return str(caught.value)


def told(unit: str, fields: dict[str, Any], **other: Any) -> list[str]:
    return list(problems(unit, options(fields, **other)))


def test_a_pair_of_named_fields_is_a_conversation() -> None:
    record = {
        "q": "q",
        "more": {"context": "c", "answers": [{"text": "a"}]},
        "sys": "s",
        "t": '[{"n":1}]',
        "i": 5,
    }
    fields = {"prompt": "q", "input": "more.context", "response": "more.answers.0.text"}
    found = mapped(record, {**fields, "system": "sys", "tools": "t", "id": "i"})
    messages = [Message("system", "s"), Message("user", "q\n\nc"), ASSISTANT]
    assert found == Conversation(messages, tools='[{"n":1}]', source_id="5")


def test_named_messages_are_read_in_either_spelling() -> None:
    turns = [{"role": "user", "content": "q"}, {"from": "gpt", "value": "a"}]
    found = mapped({"chat": turns, "s": "be kind"}, {"messages": "chat", "system": "s"})
    assert found == Conversation([Message("system", "be kind"), USER, ASSISTANT])


@pytest.mark.parametrize("empty", ["", None])
def test_an_empty_input_or_system_adds_nothing(empty: str | None) -> None:
    fields = {**PAIR, "input": "i", "system": "i", "tools": "i", "id": "no"}
    assert mapped({"q": "q", "a": "a", "i": empty, "no": None}, fields) == Conversation([USER, ASSISTANT])


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        (["q"], [USER]),
        (["q", "a", "r"], [USER, ASSISTANT, Message("user", "r")]),
        (
            [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}],
            [Message("system", "s"), USER],
        ),
        ({"role": "user", "content": "q"}, [USER]),
        (12.5, [Message("user", "12.5")]),
        (True, [Message("user", "true")]),
        ([], []),
    ],
)
def test_a_prompt_is_a_text_or_turns(prompt: Any, expected: list[Message]) -> None:
    assert mapped({"q": prompt}, {"prompt": "q"}) == RlPrompt(expected)


def test_chosen_and_rejected_are_a_preference_with_the_difference_of_their_scores() -> None:
    fields = {"prompt": "q", "chosen": "good", "rejected": "bad", "id": "n"}
    scores = {"chosen_score": "s.0", "rejected_score": "s.1"}
    record = {"q": "q", "good": "a", "bad": 4, "s": [3, "1.5"], "n": "x"}
    answers = ([USER], [ASSISTANT], [Message("assistant", "4")])
    assert mapped(record, fields) == Preference(*answers, source_id="x")
    assert mapped(record, fields | scores) == Preference(
        *answers, chosen_score=3.0, rejected_score=1.5, margin=1.5, source_id="x"
    )


@pytest.mark.parametrize(
    ("votes", "chosen", "margin", "annotators"),
    [((1, 1, 1), "one", 1.0, 3), (("2", 2, 1), "two", 1 / 3, 3), ((True, None, None), "one", 1.0, 1)],
)
def test_votes_decide_which_answer_is_chosen(
    votes: tuple[Any, ...], chosen: str, margin: float, annotators: int
) -> None:
    record = {"q": "q", "one": "one", "two": "two", **dict(zip("vwx", votes, strict=True))}
    rejected = "two" if chosen == "one" else "one"
    assert mapped(record, VOTED, votes=VOTES) == Preference(
        [USER],
        [Message("assistant", chosen)],
        [Message("assistant", rejected)],
        margin=margin,
        annotators=annotators,
    )


@pytest.mark.parametrize(
    ("votes", "reason"),
    [
        ((0, 0, 1), "tie"),
        ((3, 1, 1), "unknown_label"),
        ((None, None, None), "unanswered"),
        (([1], 1, 1), "unknown_label"),
    ],
)
def test_votes_that_decide_nothing_are_refused(votes: tuple[Any, ...], reason: str) -> None:
    record = {"q": "q", "one": "one", "two": "two", **dict(zip("vwx", votes, strict=True))}
    assert fault(record, VOTED, votes=VOTES).partition(":")[0] == reason


@pytest.mark.parametrize(
    ("answer", "truth"),
    [("72", "72"), (-1.5, "-1.5"), ([1, {"b": 2}], '[1,{"b":2}]'), (None, None), ("", "")],
)
def test_a_truth_of_any_shape_is_kept_as_text(answer: Any, truth: str | None) -> None:
    fields = {"prompt": "q", "system": "s", "answer": "a", "data_source": "d", "ability": "b", "id": "n"}
    record = {"q": "q", "s": "s", "a": answer, "d": "set", "b": None, "n": 4}
    assert mapped(record, fields, verifier="math") == RlPrompt(
        [Message("system", "s"), USER],
        ground_truth=truth,
        verifier="math",
        data_source="set",
        source_id="4",
    )


def test_a_log_without_run_step_or_sample_is_one_run_of_the_source() -> None:
    found = mapped({"q": "q", "a": "a"}, {"prompt": "q", "completion": "a"})
    assert found == Rollout(
        run="feed",
        step=0,
        sample=place_of(replace(HERE, record_number=7)),
        policy_version=0,
        prompt=[USER],
        completion="a",
    )


def test_everything_that_a_log_names_is_kept() -> None:
    names = [
        name for names in (*TARGETS[ROLLOUT_UNIT].spellings, TARGETS[ROLLOUT_UNIT].optional) for name in names
    ]
    record = dict.fromkeys(names, "t") | {"reward": True, "step": 3, "sample": "4", "policy_version": 2.0}
    found = mapped(
        record | {"advantage": "-0.5", "answer": 1}, {name: name for name in names}, verifier="exact"
    )
    assert found == Rollout(
        run="t",
        step=3,
        sample=4,
        policy_version=2,
        group="t",
        prompt=[Message("user", "t")],
        completion="t",
        logged_reward=1.0,
        advantage=-0.5,
        finish_reason="t",
        ground_truth="1",
        verifier="exact",
        data_source="t",
        source_id="t",
    )


def test_the_policy_of_a_step_is_the_steps_where_the_log_names_none() -> None:
    found = mapped({"q": "q", "a": "", "n": 12}, {"prompt": "q", "completion": "a", "step": "n"})
    assert (found.step, found.policy_version, found.completion) == (12, 12, "")


@pytest.mark.parametrize(
    ("record", "fields", "expected"),
    [
        ({"q": "q"}, PAIR, "missing_field: 'a' (response) is missing; found ['q']"),
        (
            {"q": "q", "a": {}},
            PAIR | {"response": "a.b"},
            "missing_field: 'a.b' (response) is missing; found ['a', 'q']",
        ),
        (
            {"q": "q", "a": "a"},
            PAIR | {"input": "i"},
            "missing_field: 'i' (input) is missing; found ['a', 'q']",
        ),
        ({"q": None, "a": "a"}, PAIR, "missing_field: 'q' (prompt) is null"),
        ({"q": "q", "a": None}, PAIR, "missing_field: 'a' (response) is null"),
        ({"m": None}, {"messages": "m"}, "missing_field: 'm' (messages) is null"),
        ({"q": "q", "a": ["a"]}, PAIR, "wrong_type: 'a' (response) is a JSON array, expected a string"),
        (
            {"q": ["q", 1], "a": "a"},
            PAIR,
            "wrong_type: a turn of 'q' (prompt) is a JSON string, expected an object",
        ),
        (
            {"q": "q", "a": "a", "n": "x"},
            {"prompt": "q", "completion": "a", "step": "n"},
            f"wrong_type: 'n' (step) is 'x', expected a whole number from 0 to {2**63 - 1}",
        ),
        (
            {"q": "q", "a": "a", "n": 2**63},
            {"prompt": "q", "completion": "a", "sample": "n"},
            f"wrong_type: 'n' (sample) is {2**63}, expected a whole number from 0 to {2**63 - 1}",
        ),
        (
            {"q": "q", "a": "a", "n": "nan"},
            {"prompt": "q", "completion": "a", "reward": "n"},
            "wrong_type: 'n' (reward) is 'nan', expected a finite number",
        ),
        ([], PAIR, "wrong_type: the record is a JSON array, expected an object"),
    ],
)
def test_each_fault_of_a_record_is_named(record: Any, fields: dict[str, Any], expected: str) -> None:
    assert fault(record, fields) == expected


@pytest.mark.parametrize("unit", TARGETS)
def test_each_whole_spelling_alone_and_with_the_rest_has_no_problem(unit: str) -> None:
    targets = TARGETS[unit]
    for spelling in targets.spellings:
        votes = {"1": "first"} if "vote" in spelling else {}
        rest = [name for name in targets.optional if "_score" not in name or "chosen" in spelling]
        rest = [name for name in rest if name != "input" or "prompt" in spelling]
        for names in (spelling, [*spelling, *rest]):
            assert told(unit, dict.fromkeys(names, "x"), votes=votes) == []


@pytest.mark.parametrize(
    ("unit", "fields", "other", "expected"),
    [
        (
            SFT_UNIT,
            {"prompt": "q"},
            {},
            ["`fields` lacks 'response'; needed: prompt and response, or messages"],
        ),
        (
            SFT_UNIT,
            {},
            {},
            [
                f"`fields` lacks '{name}'; needed: prompt and response, or messages"
                for name in ("prompt", "response")
            ],
        ),
        (
            SFT_UNIT,
            {"prompt": "q", "respons": "a"},
            {},
            [
                "`fields` has 'respons', which sft_pairs has no place for; allowed: prompt, response, "
                "messages, input, system, tools, id; did you mean 'response'?",
                "`fields` lacks 'response'; needed: prompt and response, or messages",
            ],
        ),
        (
            SFT_UNIT,
            PAIR | {"messages": "m"},
            {},
            ["`fields` has 'messages' beside prompt and response; one of the two spellings is enough"],
        ),
        (SFT_UNIT, PAIR | {"prompt": ("a", "b")}, {}, ["`fields` has 2 paths for 'prompt', expected one"]),
        (SFT_UNIT, PAIR | {"id": ()}, {}, ["`fields` has 0 paths for 'id', expected one"]),
        (SFT_UNIT, {"messages": "m", "input": "i"}, {}, ["`fields` has 'input' without 'prompt'"]),
        (
            SFT_UNIT,
            PAIR,
            {"verifier": "math"},
            ["`verifier` rewards answers, and sft_pairs has none to reward"],
        ),
        (
            PREFERENCE_UNIT,
            VOTED,
            {},
            ["`fields` has 'vote', but `votes` does not say which answer means first, second or tie"],
        ),
        (
            PREFERENCE_UNIT,
            {"prompt": "q", "chosen": "a", "rejected": "b"},
            {"votes": VOTES},
            ["`votes` says what a vote means, but `fields` has no 'vote'"],
        ),
        (
            PREFERENCE_UNIT,
            VOTED | {"chosen_score": "s"},
            {"votes": VOTES},
            ["`fields` has 'chosen_score' without 'chosen'"],
        ),
        (
            PROMPT_UNIT,
            {"prompt": "q"},
            {"verifier": "math"},
            ["the verifier 'math' has nothing to compare with: `fields` has no 'answer'"],
        ),
        (ROLLOUT_UNIT, {"prompt": "q"}, {}, ["`fields` lacks 'completion'; needed: prompt and completion"]),
    ],
)
def test_each_problem_of_a_mapping_is_told(
    unit: str, fields: dict[str, Any], other: dict[str, Any], expected: list[str]
) -> None:
    assert told(unit, fields, **other) == expected


def test_the_format_brings_its_problems_and_options() -> None:
    found = load_format("mapping")
    assert (found.units, found.problems) == (tuple(TARGETS), problems)
    assert found.options == ("fields", "votes", "ties", "annotators", "verifier")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.data(), st.sampled_from(sorted(TARGETS)))
def test_no_value_ends_the_run(data: st.DataObject, unit: str) -> None:
    """Whatever stands at the named paths, the record is in silver or among the rejects."""
    targets = TARGETS[unit]
    names = [*data.draw(st.sampled_from(targets.spellings)), *targets.optional]
    record = data.draw(st.fixed_dictionaries({name: values | st.just("1") for name in names}))
    asked = options({name: name for name in names}, votes=VOTES)
    rows, rejects = conformed(
        "mapping", [bronze_row(msgspec.json.encode(record).decode())], unit=unit, options=asked
    )
    assert len(rows) + len(rejects) == 1
