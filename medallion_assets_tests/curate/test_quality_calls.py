"""Laws of tool calls: what no call and no result may be, in any unit."""

from __future__ import annotations

from typing import Any

import pytest

from medallion_assets.curate.gates import GATES, first_reject
from medallion_assets.records import canonical_json
from medallion_assets.units import Conversation, Message, Preference, RlPrompt

TOOLS = canonical_json([{"type": "function", "function": {"name": "find"}}, {"name": "now"}])
NAMELESS = canonical_json([{"type": "web_search"}, {"name": "find"}])


def calling(name: str = "find", arguments: Any = None, **known: str) -> Message:
    function = {"name": name, "arguments": {} if arguments is None else arguments}
    return Message("assistant", "", tool_calls=canonical_json([{**known, "function": function}]))


def result(call: str | None = None) -> Message:
    return Message("tool", "5", tool_call_id=call)


def reasons(*turns: Message, tools: str | None = TOOLS) -> list[str | None]:
    """Of an SFT pair, of a preference on its chosen and on its rejected side, and of an RL prompt."""
    asked, answer, other = Message("user", "q"), Message("assistant", "a"), Message("assistant", "b")
    answers = [*turns, answer]
    records = {
        "sft_pairs": [Conversation([asked, *answers], tools)],
        "preference_triples": [
            Preference([asked], answers, [other], tools),
            Preference([asked], [other], answers, tools),
        ],
        "rl_prompts": [RlPrompt([asked, *turns], tools=tools)],
    }
    rejects = [first_reject(record, GATES[unit]) for unit, each in records.items() for record in each]
    return [reject.reason if reject else None for reject in rejects]


@pytest.mark.parametrize(
    "turns",
    [
        (calling(), result()),
        (calling("now"), result(), calling(), result(), result()),
        (calling(id="c1"), result("c1")),
        (calling(id="c1"), result()),
        (calling(), result("c1")),
        (calling(id="c1"), result("c1"), calling(id="c2"), result("c2")),
    ],
)
def test_calls_of_known_tools_with_their_results_pass(turns: tuple[Message, ...]) -> None:
    assert reasons(*turns) == [None] * 4


@pytest.mark.parametrize("arguments", ["text", [1], 5, True])
def test_arguments_that_are_no_object_are_refused(arguments: Any) -> None:
    assert reasons(calling("find", arguments), result()) == ["invalid_tool_call"] * 4


def test_a_result_of_a_call_that_nobody_made_is_refused() -> None:
    assert reasons(calling(id="c1"), result("c2")) == ["unknown_tool_call_id"] * 4


def test_a_call_to_no_tool_on_offer_is_refused_but_on_the_rejected_side() -> None:
    assert reasons(calling("fly"), result()) == ["unknown_tool", "unknown_tool", None, "unknown_tool"]


@pytest.mark.parametrize("tools", [None, NAMELESS])
def test_without_the_names_of_all_tools_any_may_be_called(tools: str | None) -> None:
    assert reasons(calling("fly"), result(), tools=tools) == [None] * 4


@pytest.mark.parametrize(
    ("turns", "detail"),
    [
        ([calling("find", [1])], "turn 2: the arguments of 'find' are a list, expected an object"),
        ([calling("fly")], "turn 2: it calls 'fly'; tools: find, now"),
        ([calling(id="c1"), result("c2")], "turn 3 answers 'c2'; calls: ['c1']"),
    ],
)
def test_a_reject_says_what_was_found(turns: list[Message], detail: str) -> None:
    reject = first_reject(Conversation([Message("user", "q"), *turns], TOOLS), GATES["sft_pairs"])
    assert reject is not None
    assert reject.detail == detail
