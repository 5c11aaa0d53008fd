"""Laws of where an item is found: in every text of every unit, however it was laid out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.curate.decontaminate.index import EvalIndex
from medallion_assets.curate.decontaminate.match import contamination
from medallion_assets.curate.decontaminate.rules import Rules
from medallion_assets.schemas import CONTAMINATION, UNIT_SCHEMAS
from medallion_assets.units import Conversation, Message, Preference, RlPrompt, Rollout
from medallion_assets_tests.curate.rollouts import landed
from medallion_assets_tests.curate.test_decontaminate import QUESTION, index_table
from medallion_assets_tests.real_data import real_data

RULES = (Rules(), Rules("any_match"))
Record = Conversation | Preference | RlPrompt | Rollout


def talk(*turns: str) -> list[Message]:
    return [
        Message(role, turn) for role, turn in zip(("user", "assistant") * len(turns), turns, strict=False)
    ]


def calls(arguments: Any, *, nested: bool) -> str:
    """Tool calls as they are stored: the arguments are an object, or JSON text once more."""
    given = json.dumps(arguments) if nested else arguments
    return json.dumps([{"type": "function", "function": {"name": "search", "arguments": given}}])


def said(turn: Message) -> Conversation:
    return Conversation([*talk("Hello.", "Hi."), turn, *talk("Thanks.", "Bye.")])


def tool(text: str) -> str:
    return json.dumps([{"type": "function", "function": {"name": "ask", "description": text}}])


CONVERSATIONS: Mapping[str, Callable[[str], Conversation]] = {
    "system": lambda text: Conversation([Message("system", text), *talk("Hello.", "Hi.")]),
    "user": lambda text: said(Message("user", f"Please answer. {text} Thank you!")),
    "assistant": lambda text: said(Message("assistant", f"You asked: {text}\n\nWell.")),
    "observation": lambda text: said(Message("tool", text)),
    "reasoning": lambda text: said(Message("assistant", "42", reasoning_content=f"So, {text} Hm.")),
    "arguments": lambda text: said(
        Message("assistant", "", tool_calls=calls({"query": {"texts": ["Hi!", text]}}, nested=False))
    ),
    "arguments as text": lambda text: said(
        Message("assistant", "", tool_calls=calls({"query": f'"{text}"\n'}, nested=True))
    ),
    "definitions": lambda text: Conversation(talk("Hello.", "Hi."), tools=tool(text)),
    "docstring": lambda text: said(
        Message("assistant", f'```python\ndef f(x):\n    """{text}\n    """\n```')
    ),
    "comment": lambda text: said(
        Message("assistant", "f(x)\n# " + "\n    # ".join(re.findall(r"(?:\S+\s*){1,4}", text)))
    ),
}
PLACES: Mapping[str, Mapping[str, Callable[[str], Record]]] = {
    "sft_pairs": CONVERSATIONS,
    "preference_triples": {
        "prompt": lambda text: Preference(talk(text), talk("Yes."), talk("No.")),
        "chosen": lambda text: Preference(talk("Well?"), talk(text), None),
        "rejected": lambda text: Preference(talk("Well?"), talk("Yes."), talk(text)),
        "tools": lambda text: Preference(talk("Well?"), talk("Yes."), talk("No."), tools=tool(text)),
    },
    "rl_prompts": {
        "prompt": lambda text: RlPrompt(talk(text), ground_truth="5"),
        "ground truth": lambda text: RlPrompt(talk("Well?"), ground_truth=text),
        "tools": lambda text: RlPrompt(talk("Well?"), tools=tool(text)),
    },
    "rl_rollouts": {
        "prompt": lambda text: Rollout("run", 1, 1, 1, prompt=talk(text), reward_origin="logged"),
        "completion": lambda text: Rollout("run", 1, 1, 1, completion=text, reward_origin="logged"),
    },
}
words = st.text("abcdefghijklmnopqrstuvwxyzäé", min_size=2, max_size=8)
# Long enough for 13 words in a row; a list of words without repetition has no run twice.
items = st.lists(words, min_size=14, max_size=40, unique=True).map(" ".join)


def verdict(record: Record, unit: str, item: str, rules: Rules) -> list[tuple[str, float]]:
    """What is found of the item: (how, coverage)."""
    index = EvalIndex.of(index_table({"set": [[(QUESTION, item)]]}, rules), rules)
    rows = UNIT_SCHEMAS[unit].table([landed(record, 1)])  # type: ignore[arg-type]
    found = contamination(rows, unit, index)
    assert found.schema == CONTAMINATION.arrow
    return [(row["matched_by"], row["coverage"]) for row in found.to_pylist()]


@pytest.mark.parametrize(("unit", "place"), [(unit, place) for unit in PLACES for place in PLACES[unit]])
@pytest.mark.parametrize("rules", RULES, ids=lambda rules: rules.rule)
@given(item=items)
@settings(max_examples=5)
def test_an_item_is_found_wherever_it_is_said(rules: Rules, unit: str, place: str, item: str) -> None:
    assert verdict(PLACES[unit][place](item), unit, item, rules) == [("ngrams", 1.0)]


@given(item=items, rules=st.sampled_from(RULES), data=st.data())
def test_an_item_is_found_whatever_its_case_whitespace_and_punctuation(
    item: str, rules: Rules, data: st.DataObject
) -> None:
    gaps = st.sampled_from([" ", "  ", "\n", "\n\n", "\t", ", ", ". ", " - ", "\u00a0", "\u3000", "*", "…"])
    cases = st.sampled_from([str.lower, str.title, str.upper])
    changed = "".join(data.draw(cases)(word) + data.draw(gaps) for word in item.split())
    assert verdict(said(Message("user", changed)), "sft_pairs", item, rules) == [("ngrams", 1.0)]


@given(item=items, rules=st.sampled_from(RULES), data=st.data())
def test_an_item_is_found_across_turns(item: str, rules: Rules, data: st.DataObject) -> None:
    split = item.split()
    cut = data.draw(st.integers(1, len(split) - 1))
    record = Conversation(talk(" ".join(split[:cut]), " ".join(split[cut:])))
    assert verdict(record, "sft_pairs", item, rules) == [("ngrams", 1.0)]


@given(item=items, share=st.floats(0, 1))
def test_a_part_counts_by_its_share_of_the_words(item: str, share: float) -> None:
    split = item.split()
    part = split[: round(share * len(split))]
    coverage = len(part) / len(split) if len(part) >= Rules().length else 0
    expected = [("ngrams", coverage)] if coverage >= Rules().min_coverage else []
    assert verdict(said(Message("user", " ".join(part))), "sft_pairs", item, Rules()) == expected


@pytest.mark.parametrize("place", CONVERSATIONS)
def test_a_short_item_is_found_on_a_line_of_its_own(place: str) -> None:
    alone = place not in ("user", "assistant", "reasoning")
    record = CONVERSATIONS[place]("Who are you?")
    assert verdict(record, "sft_pairs", "who are  YOU", Rules()) == [("exact", 1.0)] * alone


def test_rows_are_counted_on_through_a_partition() -> None:
    index = EvalIndex.of(index_table({"set": [[(QUESTION, "Who are you?")]]}, Rules()), Rules())
    rows = [landed(RlPrompt(talk(text)), number) for number, text in enumerate(("Hi!", "Who are you?"), 1)]
    found = contamination(UNIT_SCHEMAS["rl_prompts"].table(rows), "rl_prompts", index, first=100)
    shown = ("record_id", "record_number", "row", "eval_set", "item_id", "field", "matching_text")
    assert [{name: row[name] for name in shown} for row in found.to_pylist()] == [
        {
            "record_id": rows[1]["record_id"],
            "record_number": 2,
            "row": 101,
            "eval_set": "set",
            "item_id": "set0",
            "field": QUESTION,
            "matching_text": "Who are you",
        }
    ]


def test_gsm8k_rollouts_give_the_test_set_away_and_its_training_set_does_not() -> None:
    def questions(name: str) -> list[str]:
        with real_data(name).open() as file:
            return [json.loads(line)["question"] for line in file]

    asked = questions("evals/gsm8k_test.jsonl")
    index = EvalIndex.of(index_table({"gsm8k": [[(QUESTION, text)] for text in asked]}, Rules()), Rules())

    def contaminated(texts: list[str]) -> int:
        prompts = [landed(RlPrompt(talk(text)), number) for number, text in enumerate(texts, 1)]
        found = contamination(UNIT_SCHEMAS["rl_prompts"].table(prompts), "rl_prompts", index)
        return len(found.column("row").unique())

    assert contaminated(questions("rollouts/tora_70b_gsm8k.jsonl")) == len(asked)
    assert contaminated(questions("rl_prompts/gsm8k_train.jsonl")) == 3


def test_no_rows_and_no_items_are_no_fault() -> None:
    nothing: list[dict[str, list[list[tuple[str, str]]]]] = [{}, {"set": []}]
    for sets in nothing:
        index = EvalIndex.of(index_table(sets, Rules()), Rules())
        for records in ([], [landed(RlPrompt(talk("Hi!")), 1)]):
            rows = UNIT_SCHEMAS["rl_prompts"].table(records)
            assert contamination(rows, "rl_prompts", index).equals(CONTAMINATION.table([]))
