"""Laws of the masks: whatever the template, what is learned is what the assistant said, to the letter."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.package.render.render import Rendered
from medallion_assets.records import Rejected
from medallion_assets_tests.package.chat import (
    DAY,
    END,
    TOOLS,
    Row,
    conversations,
    learned,
    learned_text,
    rendered,
    shipped,
    spoken,
    turn,
    without_marks,
)
from medallion_assets_tests.package.templates import SAMPLES, TURN, Sample, loop

TALK = [turn("user", "hi"), turn("assistant", "one"), turn("user", "more"), turn("assistant", "two 🙂")]
THOUGHTFUL = [
    turn("user", "q"),
    turn("assistant", "a", reasoning_content="hm"),
    turn("user", "r"),
    turn("assistant", "b", reasoning_content="so"),
]
MARKED = TURN.replace(
    "{{ m.content }}<|im_end|>", "{% generation %}{{ m.content }}<|im_end|>{% endgeneration %}"
)
# The same text, but written to the output only when a whole turn, or the whole loop, has been put together.
CAPTURED = {
    "macro": loop(
        "{{ say(m) }}", before="{% macro say(m) %}" + MARKED + "{% endmacro %}"
    ),
    "set block": loop("{% set said %}" + MARKED + "{% endset %}{{ said }}"),
    "filtered set block": loop("{%- set said | string -%}" + MARKED + "{% endset %}{{ said }}"),
    "filter": loop("{%+ filter string %}" + MARKED + "{% endfilter %}"),
    "trimmed": loop("{% filter trim %}" + MARKED + "{% endfilter %}\n"),
}  # fmt: skip


def refusal(text: str, messages: list[Row], tools: str | None = None) -> str:
    with pytest.raises(Rejected) as caught:
        rendered(messages, tools, text=text)
    return str(caught.value)


def expected(sample: Sample, messages: list[Row]) -> list[str | None]:
    """What is said in each turn to learn."""
    queries = [place for place, message in enumerate(messages) if message["role"] == "user"]
    return [
        sample.says(message, place < queries[-1])
        for place, message in enumerate(messages)
        if message["train"]
    ]


@pytest.mark.parametrize("name", SAMPLES)
@given(messages=conversations())
@settings(max_examples=40)
def test_the_labelled_tokens_decode_to_what_was_said(name: str, messages: list[Row]) -> None:
    sample = SAMPLES[name]
    said = expected(sample, messages)
    shown = [text for text in said if text is not None]
    if said and not shown:
        assert refusal(sample.text, messages).startswith("turn_not_shown")
        return
    found = rendered(messages, text=sample.text)
    assert learned_text(found) in ("".join(shown), "mask_unclear")
    assert (learned(found), found.unshown) == (shown, len(said) - len(shown))


@given(conversations(), st.none() | TOOLS)
def test_without_marks_the_spans_are_the_same(messages: list[Row], tools: Any) -> None:
    definitions = json.dumps(tools) if tools else None
    unmarked = rendered(messages, definitions, text=without_marks(shipped().chat_template))
    assert learned(unmarked) == learned(rendered(messages, definitions))
    assert learned(unmarked) == [spoken(message) for message in messages if message["train"]]


@pytest.mark.parametrize("text", CAPTURED.values(), ids=CAPTURED)
def test_marks_within_captured_text_give_the_spans_of_plain_ones(text: str) -> None:
    assert learned(rendered(TALK, text=text)) == ["one" + END, "two 🙂" + END]


def test_what_a_template_drops_of_an_earlier_turn_makes_it_context() -> None:
    found = rendered(THOUGHTFUL, text=SAMPLES["thinking"].text)
    assert (learned(found), found.unshown) == (["<think>\nso\n</think>\n\nb" + END], 1)


def test_where_nothing_is_left_to_learn_the_record_is_rejected() -> None:
    detail = "the template shows less of the assistant's turns than was said, and nothing else is to learn"
    assert refusal(SAMPLES["plain"].text, THOUGHTFUL) == f"turn_not_shown: {detail}"


def test_a_turn_that_is_context_anyway_is_not_counted_as_unshown() -> None:
    messages = [*THOUGHTFUL[:1], {**THOUGHTFUL[1], "train": False}, *THOUGHTFUL[2:]]
    assert rendered(messages, text=SAMPLES["thinking"].text).unshown == 0


def test_thoughts_within_the_content_are_cut_as_the_template_cuts_them() -> None:
    last_part = "m.content.split('</think>')[-1].lstrip()"
    shown = f"{last_part} if '</think>' in m.content and not loop.last else m.content"
    text = loop(TURN.replace("m.content", shown))
    messages = [turn("user", "q"), turn("assistant", "<think>\nhm\n</think>\n\na"), *TALK[2:]]
    found = rendered(messages, text=text)
    assert (learned(found), found.unshown) == (["two 🙂" + END], 1)
    assert learned(rendered(messages[:2], text=text)) == ["<think>\nhm\n</think>\n\na" + END]


def test_what_the_user_wrote_may_decide_what_the_template_does() -> None:
    text = loop(
        TURN, before="{% if 'formal' in messages[0].content %}<|im_start|>system\nSir<|im_end|>\n{% endif %}"
    )
    messages = [turn("user", "be formal"), *TALK[1:]]
    assert learned(rendered(messages, text=text)) == ["one" + END, "two 🙂" + END]


def test_a_template_that_changes_what_the_assistant_said_has_no_clear_mask() -> None:
    for change in ("upper", "replace('o', '0')", "truncate(3, true, '', 0)"):
        text = loop(TURN.replace("m.content", f"m.content | {change}"))
        assert refusal(text, TALK) == "mask_unclear: the template changes what was written"


def test_a_template_that_moves_a_turn_has_no_clear_mask() -> None:
    text = "{{ messages[-1].content }}" + loop(TURN)
    expected = "mask_unclear: the template rewrites turn 2 once it is not the last"
    assert refusal(text, TALK) == expected


def test_marks_around_some_turns_only_are_no_clear_mask() -> None:
    text = loop("{% if loop.last %}" + MARKED + "{% else %}" + TURN + "{% endif %}")
    assert refusal(text, TALK) == "mask_unclear: the template's generation marks leave out some of turn 2"


def test_marks_around_more_than_the_assistant_are_no_clear_mask() -> None:
    text = "{% generation %}" + loop(TURN) + "{% endgeneration %}"
    assert refusal(text, TALK) == "mask_unclear: a generation mark of the template holds more than one turn"


def test_without_an_end_mark_the_answer_alone_is_learned() -> None:
    text = (
        "{% for m in messages %}{{ m.role | capitalize }}: {{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}Assistant:{% endif %}"
    )
    assert learned(rendered(TALK, text=text)) == [" one", " two 🙂"]
    assert learned_text(rendered(TALK, text=text)) in (" one two 🙂", " one\n two 🙂\n")


def test_a_prompt_that_goes_another_way_is_followed_as_far_as_it_goes() -> None:
    after = "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
    turn_text = TURN.replace("{{ m.content }}", "<think></think>{{ m.content }}")
    assert learned(rendered(TALK[:2], text=loop(turn_text, after=after))) == ["</think>one" + END]


def test_a_turn_that_begins_as_no_prompt_does_has_no_clear_mask() -> None:
    expected = "mask_unclear: turn 2 begins otherwise than the generation prompt"
    assert refusal(loop("!" + TURN), TALK) == expected


def test_an_end_mark_that_parts_within_a_tag_is_not_cut() -> None:
    """After <|im_end|> come <|im_start|> or <|endoftext|>, which begin alike."""
    assert learned(rendered(TALK, text=SAMPLES["end of all"].text))[0] == "one" + END


def test_calls_whose_arguments_a_template_joins_as_text_get_them_so() -> None:
    call = [{"type": "function", "function": {"name": "find", "arguments": {"a": "é", "n": 1}}}]
    text = loop(TURN.replace("{{ m.content }}", "{{ 'call:' + m.tool_calls[0].function.arguments }}"))
    messages = [turn("user", "q"), turn("assistant", "", tool_calls=json.dumps(call))]
    assert refusal(text, messages).startswith("turn_not_shown")  # the name is not shown
    text = text.replace("'call:'", "m.tool_calls[0].function.name + ':'")
    assert learned(rendered(messages, text=text)) == ['find:{"a": "é", "n": 1}' + END]


def test_a_call_that_a_template_leaves_out_makes_the_turn_context() -> None:
    calls = [{"function": {"name": name, "arguments": {}}} for name in ("find", "open")]
    text = loop(
        TURN.replace("{{ m.content }}", "{{ m.content }}{{ m.tool_calls[0].function.name if m.tool_calls }}")
    )
    messages = [turn("user", "q"), turn("assistant", "", tool_calls=json.dumps(calls)), *TALK]
    found = rendered(messages, text=text)
    assert (learned(found), found.unshown) == (["one" + END, "two 🙂" + END], 1)


def test_spans_are_told_from_each_other_where_texts_repeat() -> None:
    same = [
        turn("user", "one"),
        turn("assistant", "one"),
        turn("user", "one"),
        turn("assistant", "one", train=False),
    ]
    found = rendered(same, text=SAMPLES["plain"].text)
    [span] = found.spans
    assert found.text.encode()[: span.start].decode().count("one") == 1


def test_a_text_that_is_all_of_the_templates_own_words_is_learned() -> None:
    text = loop(TURN, before="{{ '{}' if tools else '' }}")
    messages = [turn("user", "q"), turn("assistant", "{}")]
    assert learned(rendered(messages, text=text)) == ["{}" + END]


def test_a_text_that_spells_a_placeholder_is_a_text() -> None:
    messages = [turn("user", "Zq7xK0e"), turn("assistant", "Zq7xK1e Zq7xK9e"), *TALK]
    assert learned(rendered(messages))[0] == "Zq7xK1e Zq7xK9e" + END


def test_a_placeholder_where_none_can_be_put_has_no_clear_mask() -> None:
    text = loop(TURN, before="{% if 'sir' in messages[0].content %}!{% endif %}")
    messages = [turn("user", "sir Zq7xK0e Zq7xK9e"), *TALK[1:]]
    assert refusal(text, messages) == "mask_unclear: the record spells 'Zq7xK', as placeholders do"


def test_the_date_is_the_landing_date() -> None:
    found: Rendered = rendered(TALK, text=SAMPLES["default system"].text)
    assert f"Be good on {DAY:%d %B}." in found.text
