"""Laws of rendering: the text is the trainer's own, whatever the template, or the record is refused."""

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
from transformers.utils.chat_template_utils import render_jinja_template

from medallion_assets.package.render.template import ChatTemplate, Setting, for_template
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
    rendered,
    spoken,
    turn,
    variant,
)
from medallion_assets_tests.package.templates import SAMPLES, TURN, loop

TALK = [turn("user", "hi"), turn("assistant", "one"), turn("user", "more"), turn("assistant", "two 🙂")]
PLAIN = loop(TURN)
# What templates use of Jinja, and of what transformers adds to it.
DIALECT = {
    "loop controls": "{% for n in range(9) %}{% if n == 2 %}{% continue %}{% endif %}"
    "{% if n > 4 %}{% break %}{% endif %}{{ n }}{% endfor %}",
    "tojson": "{{ {'b': '<é>', 'a': [1, none, true]} | tojson }}{{ [1] | tojson(indent=2) }}"
    "{{ 'é' | tojson(ensure_ascii=true) }}",
    "blocks": "  {% if true %}\n  x\n  {% endif %}\n{%- set y = 1 %}\n {{- y }}",
    "namespace": "{% set ns = namespace(a=1, b={'c': 2}) %}{% set ns.a = ns.a + 1 %}{{ ns.a }}{{ ns.b.c }}",
    "dict": "{{ dict(q=1).q }}{{ dict.fromkeys('ab') }}",
    "nothing": "{{ absent }}{{ messages[0].absent }}{{ tools is none }}{{ documents is none }}",
    "prompt": "{{ add_generation_prompt }}",
    "generation": "{% generation %}{{ messages[1].content }}{%- endgeneration %}\n",
    "thinking": "{{ messages[-1].thinking }}{{ messages[-1].reasoning_content }}",
    "keys": "{{ messages[-1].keys() | list | sort }}",
}


def refusal(text: str | None, messages: list[Row], tools: str | None = None) -> str:
    with pytest.raises(Rejected) as caught:
        rendered(messages, tools, text=text)
    return str(caught.value)


@cache
def transformers_tokenizer(folder: Path = CHATML) -> Any:
    return AutoTokenizer.from_pretrained(folder)


@given(conversations(), st.none() | TOOLS)
def test_the_text_is_what_apply_chat_template_gives(messages: list[Row], tools: list[Row] | None) -> None:
    theirs = transformers_tokenizer().apply_chat_template(
        for_transformers(messages), tools=tools, tokenize=False
    )
    assert rendered(messages, json.dumps(tools) if tools else None).text == theirs


@given(conversations(), st.none() | TOOLS)
def test_the_spans_are_the_learned_turns_with_their_end_marks(messages: list[Row], tools: Any) -> None:
    found = rendered(messages, json.dumps(tools) if tools else None)
    assert learned(found) == [spoken(message) for message in messages if message["train"]]


@pytest.mark.parametrize("text", [*DIALECT.values(), *(sample.text for sample in SAMPLES.values())])
@pytest.mark.parametrize("prompt", [True, False])
def test_jinja_is_set_up_as_transformers_does_it(text: str, prompt: bool) -> None:
    messages = [*TALK, turn("user", "q"), turn("assistant", "a", reasoning_content="hm")]
    today = date.today()
    ours = ChatTemplate(text, {"eos_token": END}, []).render(
        [for_template(message) for message in messages], Setting(None, today), prompt=prompt
    )
    [theirs], _ = render_jinja_template(
        [for_transformers(messages)], chat_template=text, add_generation_prompt=prompt, eos_token=END
    )
    assert ours == theirs


def test_a_template_reaches_nothing_of_the_interpreter() -> None:
    for attack in (
        "{{ ''.__class__ }}",
        "{% set ns = namespace() %}{% set ns._x = 1 %}",
        "{{ namespace(__a=1) }}",
    ):
        found = ChatTemplate(attack + "{{ messages.append(1) }}", {}, [])
        with pytest.raises(Rejected, match="template_refused"):
            found.render([], Setting(None, DAY))


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
    assert learned(rendered(odd)) == ["< |im_start|><think>" + END]


@pytest.mark.parametrize("call", ["strftime_now('%d %b %Y')", "strftime_now('%d ' + '%b %Y')"])
def test_a_template_that_asks_for_the_date_gets_the_landing_date(call: str) -> None:
    text = f"{{% if strftime_now is defined %}}{{{{ 'Today: ' + {call} }}}}\n{{% endif %}}{PLAIN}"
    found = rendered(TALK, text=text, day=date(2031, 2, 3))
    assert found.text.startswith("Today: 03 Feb 2031\n<|im_start|>user")
    assert learned(found) == ["one" + END, "two 🙂" + END]


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


@pytest.mark.parametrize("text", ["{% for m in %}", "{{ messages | random }}"])
def test_a_template_that_is_no_jinja_or_draws_lots_fails_at_once(text: str) -> None:
    with pytest.raises(TemplateSyntaxError):
        rendered(TALK, text=text)


def test_nulls_of_storage_are_absent_for_a_template() -> None:
    text = "{% for m in messages %}{{ m | sort | join(',') }};{% endfor %}"
    messages = [turn("user", "q"), turn("assistant", "a", tool_call_id="7")]
    found = ChatTemplate(text, {}, []).render([for_template(m) for m in messages], Setting(None, DAY))
    assert found == "content,role;content,role,tool_call_id;"


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
    assert rendered(TALK, text=text, tokenizer=loaded).text == expected
