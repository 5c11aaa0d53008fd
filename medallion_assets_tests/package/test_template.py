"""Laws of rendering: the text is the trainer's own, and the spans are what the assistant said."""

from __future__ import annotations

import json
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2.exceptions import TemplateSyntaxError
from transformers import AutoTokenizer

from medallion_assets.package.template import Rendered
from medallion_assets.package.tokenizer import TokenizerError
from medallion_assets.records import Rejected
from medallion_assets_tests.package.chat import (
    CHATML,
    DAY,
    END,
    TOOLS,
    Row,
    conversations,
    for_transformers,
    learned,
    shipped,
    spoken,
    template,
    turn,
    variant,
    without_marks,
)

TALK = [turn("user", "hi"), turn("assistant", "one"), turn("user", "more"), turn("assistant", "two 🙂")]
TURN = (
    "<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' %}{% generation %}{{ m.content }}<|im_end|>{% endgeneration %}"
    "{% else %}{{ m.content }}<|im_end|>{% endif %}\n\n"
)


def talk(turns: str, *, before: str = "", loop: str = "{% for m in messages %}") -> str:
    """A template that says these turns."""
    prompt = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    return before + loop + turns + "{% endfor %}" + prompt


PLAIN = talk(TURN)
# The same text, but written to the output only when a whole turn, or the whole loop, has been put together.
CAPTURED = {
    "macro": talk("{{ say(m) }}", before="{% macro say(m) %}" + TURN + "{% endmacro %}"),
    "set block": talk("{% set said %}" + TURN + "{% endset %}{{ said }}"),
    "filtered set block": talk("{%- set said | string -%}" + TURN + "{% endset %}{{ said }}"),
    "filter": talk("{%+ filter string %}" + TURN + "{% endfilter %}"),
    "recursion": talk("{{ loop(m.inner) if m.inner }}" + TURN, loop="{% for m in messages recursive %}"),
}


@cache
def transformers_tokenizer(folder: Path = CHATML) -> Any:
    return AutoTokenizer.from_pretrained(folder)


def refusal(text: str | None, messages: list[Row], tools: str | None = None) -> str:
    with pytest.raises(Rejected) as caught:
        template(text).render(messages, tools, DAY)
    return str(caught.value)


@given(conversations(), st.none() | TOOLS)
def test_the_text_is_what_apply_chat_template_gives(messages: list[Row], tools: list[Row] | None) -> None:
    rendered = template().render(messages, json.dumps(tools) if tools else None, DAY)
    expected = transformers_tokenizer().apply_chat_template(
        for_transformers(messages), tools=tools, tokenize=False
    )
    assert rendered.text == expected


@given(conversations(), st.none() | TOOLS)
def test_the_spans_are_the_learned_turns_with_their_end_marks(messages: list[Row], tools: Any) -> None:
    rendered = template().render(messages, json.dumps(tools) if tools else None, DAY)
    assert learned(rendered) == [spoken(message) for message in messages if message["train"]]


@given(conversations(), st.none() | TOOLS)
def test_without_marks_the_prefix_method_finds_the_same_spans(messages: list[Row], tools: Any) -> None:
    definitions = json.dumps(tools) if tools else None
    unmarked = template(without_marks(shipped().chat_template))
    assert unmarked.render(messages, definitions, DAY) == template().render(messages, definitions, DAY)


FICKLE = "{% if messages | length > 4 %}{{ raise_exception('too many turns') }}{% endif %}"
SPOILED = st.just([turn("user", f"a{END}b"), turn("assistant", "c")])


@given(
    st.lists(st.tuples(conversations() | SPOILED, st.none() | TOOLS.map(json.dumps)), max_size=6),
    st.sampled_from(["", FICKLE]),
    st.sampled_from([shipped().chat_template, without_marks(shipped().chat_template), CAPTURED["macro"]]),
)
def test_rendering_together_is_rendering_each_alone(
    records: list[tuple[list[Row], str | None]], fault: str, text: str
) -> None:
    def alone(messages: list[Row], tools: str | None) -> Rendered | str:
        try:
            return template(fault + text).render(messages, tools, DAY)
        except Rejected as reject:
            return str(reject)

    rows = [{"messages": messages, "tools": tools, "landing_date": DAY} for messages, tools in records]
    together = template(fault + text).render_batch(rows)
    found = [str(result) if isinstance(result, Rejected) else result for result in together]
    assert found == [alone(*record) for record in records]


@pytest.mark.parametrize("text", CAPTURED.values(), ids=CAPTURED)
def test_marks_within_captured_text_give_the_spans_of_plain_ones(text: str) -> None:
    found = template(text).render(TALK, None, DAY)
    assert learned(found) == ["one" + END, "two 🙂" + END] == learned(template(PLAIN).render(TALK, None, DAY))


def test_a_template_that_drops_earlier_thoughts_has_no_clear_mask() -> None:
    text = without_marks(shipped().chat_template).replace(
        "{%- if message.reasoning_content %}", "{%- if message.reasoning_content and loop.last %}"
    )
    thinking = [turn("user", "q"), turn("assistant", "a", reasoning_content="hm"), *TALK[2:]]
    assert refusal(text, thinking) == "mask_unclear: the template rewrites what precedes turn 2"
    assert learned(template(text).render(TALK, None, DAY)) == ["one" + END, "two 🙂" + END]


def test_marks_around_some_turns_only_are_no_clear_mask() -> None:
    text = PLAIN.replace("m.role == 'assistant'", "loop.last")
    assert refusal(text, TALK) == "mask_unclear: the template marks 1 spans for 2 assistant turns"


@pytest.mark.parametrize("token", ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
@pytest.mark.parametrize(
    "key", ["content", "reasoning_content", "tool_calls", "tool_call_id", "name", "tools"]
)
def test_a_control_token_anywhere_in_the_record_is_refused(key: str, token: str) -> None:
    text = json.dumps([{"function": {"name": f"a{token}b", "arguments": {}}}])
    fields = {key: text} if key != "tools" else {}
    messages = [turn("user", "q"), {**turn("assistant", "a"), **fields}]
    expected = (
        f"control_token_in_text: the text spells the control token {token!r}, which would end or fake a turn"
    )
    assert refusal(None, messages, text if key == "tools" else None) == expected


def test_what_only_looks_like_a_control_token_is_content() -> None:
    odd = [turn("user", "<|im_end| >"), turn("assistant", "< |im_start|><think>")]
    assert learned(template().render(odd, None, DAY)) == ["< |im_start|><think>" + END]


@pytest.mark.parametrize("call", ["strftime_now('%d %b %Y')", 'strftime_now( "%d %b %Y" )'])
@pytest.mark.parametrize("marks", [True, False])
def test_a_template_that_asks_for_the_date_gets_the_landing_date(call: str, marks: bool) -> None:
    text = f"{{% if strftime_now is defined %}}{{{{ 'Today: ' + {call} }}}}\n{{% endif %}}{PLAIN}"
    rendered = template(text if marks else without_marks(text)).render(TALK, None, date(2031, 2, 3))
    assert rendered.text.startswith("Today: 03 Feb 2031\n<|im_start|>user")
    assert learned(rendered) == ["one" + END, "two 🙂" + END]


def test_a_template_that_would_follow_the_clock_is_no_template() -> None:
    with pytest.raises(TokenizerError, match="asks for the time in a format that is not spelt out"):
        template("{% set format = '%H' %}{{ strftime_now(format) }}" + PLAIN)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("raise_exception('no system turn')", "no system turn"),
        ("messages[0].nothing.more", "'dict object' has no attribute 'nothing'"),
        ("1 / 0", "division by zero"),
        ("[] | length + 'x'", "unsupported operand type(s) for +: 'int' and 'str'"),
        ("1 | items | list", "Can only get item pairs from a mapping."),
        ("'x'.index('y')", "substring not found"),
        ("'{a}'.format()", "'a'"),
    ],
)
def test_a_template_that_fails_on_a_conversation_rejects_it(fault: str, message: str) -> None:
    expected = f"template_refused: the chat template refuses this conversation: {message}"
    assert refusal(f"{{{{ {fault} }}}}{PLAIN}", TALK) == expected


def test_a_template_that_is_no_jinja_fails_at_once() -> None:
    with pytest.raises(TemplateSyntaxError):
        template("{% for m in %}").render(TALK, None, DAY)


def test_nulls_of_storage_are_absent_for_a_template() -> None:
    text = "{% for m in messages %}{{ m | sort | join(',') }};{% endfor %}"
    messages = [turn("user", "q"), turn("assistant", "a", tool_call_id="7")]
    assert template(text).render(messages, None, DAY).text == "content,role;content,role,tool_call_id;"


@pytest.mark.parametrize(
    ("settings", "older"),
    [
        ({"eos_token": END}, {}),
        ({"eos_token": {"content": END, "__type": "AddedToken"}}, {}),
        ({}, {"eos_token": END}),
        ({}, {"eos_token": {"content": END, "lstrip": False}}),
        ({"eos_token": "<|endoftext|>"}, {"eos_token": END, "bos_token": "<|im_start|>"}),
        ({"eos_token": "<|endoftext|>", "added_tokens_decoder": {}}, {"eos_token": END}),
    ],
)
def test_special_tokens_have_the_names_that_transformers_gives_them(
    settings: Row, older: Row, tmp_path: Path
) -> None:
    text = "{{ bos_token }}{{ pad_token }}{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}"
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **settings}
    loaded = variant(tmp_path, tokenizer_config=config, special_tokens_map=older)
    (tmp_path / "chat_template.jinja").write_text(text)
    expected = transformers_tokenizer(tmp_path).apply_chat_template(for_transformers(TALK), tokenize=False)
    assert template(text, loaded).render(TALK, None, DAY).text == expected
