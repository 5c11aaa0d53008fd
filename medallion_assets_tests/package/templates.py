"""Small chat templates that do what real ones do, each with what it makes of an assistant's turn.

Belongs here: templates and, written by hand, what a model has to write for a turn. Does not: asserting.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from medallion_assets_tests.package.chat import END, Row, shipped, spoken

ANSWER = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
# Of a message, and whether anyone but tools speaks after it; None where it is not shown whole.
Says = Callable[[Row, bool], str | None]


@dataclass(frozen=True)
class Sample:
    text: str
    says: Says


def loop(assistant: str, *, before: str = "", after: str = ANSWER, other: str = "{{ m.content }}") -> str:
    """A template that says these assistant's turns, and the others so."""
    others = "<|im_start|>{{ m.role }}\n" + other + "<|im_end|>\n"
    turn = "{% if m.role == 'assistant' %}" + assistant + "{% else %}" + others + "{% endif %}"
    return before + "{% for m in messages %}" + turn + "{% endfor %}" + after


def plain(message: Row, answered: bool) -> str | None:
    """Content alone; who thinks or calls says more than that."""
    more = message["reasoning_content"] or message["tool_calls"] or not message["content"].strip()
    return None if more else message["content"] + END


def trimmed(message: Row, answered: bool) -> str | None:
    said = plain(message, answered)
    return said and message["content"].strip() + END


def thinking(message: Row, answered: bool) -> str | None:
    if message["tool_calls"] or (answered and message["reasoning_content"]):
        return None
    thought = "" if answered else f"<think>\n{message['reasoning_content'] or ''}\n</think>\n\n"
    return thought + message["content"] + END


def thinking_already(message: Row, answered: bool) -> str | None:
    """Where the prompt ends in <think>, that is not the model's to write."""
    said = thinking(message, answered)
    return said if said is None or answered else said.removeprefix("<think>")


def returning(message: Row, answered: bool) -> str | None:
    """The last turn has an end mark of its own."""
    said = plain(message, answered)
    return said if answered else said and said.removesuffix(END) + "<|endoftext|>"


def ended(message: Row, answered: bool) -> str | None:
    """The last turn has the end mark of all texts after its own."""
    said = plain(message, answered)
    return said if answered else said and said + "\n<|endoftext|>"


def by_json(message: Row, answered: bool) -> str | None:
    if message["reasoning_content"]:
        return None
    calls = [
        f'<call>{{"name": "{call["function"]["name"]}", '
        f'"parameters": {json.dumps(call["function"]["arguments"], ensure_ascii=False)}}}</call>'
        for call in json.loads(message["tool_calls"] or "[]")
    ]
    return message["content"] + "".join(calls) + END if message["content"].strip() or calls else None


TURN = "<|im_start|>assistant\n{{ m.content }}<|im_end|>\n"
THOUGHT = (
    "{% set last = namespace(query=-1) %}{% for m in messages %}{% if m.role == 'user' %}"
    "{% set last.query = loop.index0 %}{% endif %}{% endfor %}"
)
THINKING = (
    "<|im_start|>assistant\n{% if loop.index0 > last.query %}<think>\n{{ m.reasoning_content or '' }}\n"
    "</think>\n\n{% endif %}{{ m.content }}<|im_end|>\n"
)
DEFAULT_SYSTEM = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\nBe good on {{ strftime_now('%d %B') }}."
    "<|im_end|>\n{% endif %}"
)
SYSTEM_FIRST = (
    "{% set first = '' %}{% if messages[0].role == 'system' %}{% set first = messages[0].content + '\n\n' %}"
    "{% set messages = messages[1:] %}{% endif %}"
)
ALREADY = "{% if add_generation_prompt %}<|im_start|>assistant\n<think>{% endif %}"
RETURNING = "{{ '<|endoftext|>' if loop.last and not add_generation_prompt else '<|im_end|>' }}"
CALLS = (
    "{% for call in m.tool_calls or [] %}<call>"
    '{"name": "{{ call.function.name }}", "parameters": {{ call.function.arguments | tojson }}}'
    "</call>{% endfor %}"
)
SAMPLES = {
    "shipped": Sample(shipped().chat_template, lambda message, _: spoken(message)),
    "plain": Sample(loop(TURN), plain),
    "trimming": Sample(loop(TURN.replace("m.content", "m.content | trim")), trimmed),
    "macro": Sample(
        loop(TURN.replace("m.content", "say(m)"), before="{% macro say(m) %}{{ m.content }}{% endmacro %}"),
        plain,
    ),
    "default system": Sample(loop(TURN, before=DEFAULT_SYSTEM), plain),
    "system in the first turn": Sample(
        loop(TURN, before=SYSTEM_FIRST, other="{{ (first if loop.first else '') + m.content }}"), plain
    ),
    "thinking": Sample(loop(THINKING, before=THOUGHT), thinking),
    "thinking already": Sample(loop(THINKING, before=THOUGHT, after=ALREADY), thinking_already),
    "returning": Sample(loop(TURN.replace("<|im_end|>\n", RETURNING)), returning),
    "end of all": Sample(
        loop(TURN, after=ANSWER.replace("{% endif", "{% else %}<|endoftext|>{% endif")), ended
    ),
    "calls as JSON": Sample(loop(TURN.replace("<|im_end|>", CALLS + "<|im_end|>")), by_json),
}
