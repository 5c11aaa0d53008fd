"""Laws of joining: what a plan renders is what the template renders, or there is no plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from medallion_assets.package.conversations import encoded, prompts_encoded
from medallion_assets.package.render.joining import Joiner
from medallion_assets.package.render.plain import PlainTurns
from medallion_assets.package.render.rendered_batch import RenderedBatch
from medallion_assets.package.render.template import ChatTemplate, Setting
from medallion_assets.package.render.tracing import can_be_traced
from medallion_assets.package.tokens.encode import Signed, ids_and_labels, label_alone
from medallion_assets.package.tokens.tokenizer import LoadedTokenizer
from medallion_assets.records import Rejected
from medallion_assets.schemas import RL_PROMPTS, SFT_PAIRS
from medallion_assets_tests.package.chat import (
    DAY,
    END,
    Row,
    conversations,
    encoded_rows,
    rendered,
    shipped,
    turn,
)
from medallion_assets_tests.package.templates import SAMPLES, THINKING, THOUGHT, TURN, loop

LOOKING = {
    "contains": "{{ 'long' if 'la' in m.content else 'short' }}",
    "contains not": "{{ 'x' if '</think>' not in m.content else 'y' }}",
    "begins": "{% if m.content.startswith('la') and not m.content.strip().endswith('.') %}!{% endif %}",
    "equals": "{% if m.content == 'la' or m.content != 'lo' %}!{% endif %}",
    "is there": "{{ m.content or 'nothing' }}{{ m.content | trim | default('none', true) }}",
    "upper": "{{ m.content | upper }}",
    "length": "{% if m.content | length > 3 %}long{% endif %}",
    "first letter": "{{ m.content[0] }}",
    "slice": "{{ m.content[:2] }}",
    "letters": "{% for letter in m.content %}{{ letter }}.{% endfor %}",
    "split": "{{ m.content.split('a')[-1] }}",
    "order": "{% if m.content > 'la' %}!{% endif %}",
    "format": "{{ '%s' % m.content }}{{ '{}'.format(m.content) }}",
    "tilde": "{% set both = m.content ~ '!' %}{{ 'x' if 'la!' in both }}",
    "plus": "{% set both = m.content + '!' %}{{ both if 'la!' in both }}",
    "join": "{% set both = [m.content, 'x'] | join %}{{ 'x' if 'lax' in both }}",
    "in a word": "{{ 'x' if m.content in 'la la' }}",
    "in a word by name": "{% set words = 'la la' %}{{ 'x' if m.content in words }}",
    "in a word by test": "{{ 'x' if m.content is in 'la la' }}",
    "begins a word": "{{ 'x' if 'la la.'.startswith(m.content) }}",
    "splits a word": "{{ 'la la'.split(m.content) | length }}",
    "strips a word": "{{ 'lola' | trim(m.content) }}",
    "in a list": "{{ 'x' if m.content in ['la', 'lo'] }}",
    "as JSON": "{{ m.content | tojson }}",
    "as it is in Python": "{{ m }}{{ [m.content] }}",
    "times": "{{ m.content * 2 }}",
    "as a key": "{{ {'la': 1}.get(m.content) }}",
    "replaced": "{{ m.content | replace('a', 'o') }}{{ m.content.replace('a', 'o') }}",
    "block": "{% set both %}{{ m.content }}!{% endset %}{{ 'x' if 'la!' in both }}",
    "same as another": "{{ 'x' if m.content == messages[0].content }}",
    "whole": "{% if m.content is string and m.content is not mapping and m.content is defined %}!{% endif %}",
}
UNCLEAR = ["mask_unclear", "turn_not_shown"]  # as where a text is shown twice
TEXTS = st.sampled_from(
    ["la", "lo", "la la.", " la\n", "la!", "<think>la</think>\nlo", "é", '"la"\\', "x" * 9]
)


def rows_of(talks: Sequence[list[Row]]) -> list[Row]:
    return [
        {
            "record_id": f"{number:032x}",
            "source": "feed",
            "landing_date": DAY,
            "export_sha256": "e" * 64,
            "record_number": number,
            "line": number,
            "messages": talk,
        }
        for number, talk in enumerate(talks)
    ]


@cache
def with_template(text: str) -> LoadedTokenizer:
    return replace(shipped(), chat_template=text)


def alone(messages: list[Row], text: str) -> Signed | Rejected:
    try:
        return label_alone(shipped().core, rendered(messages, text=text))
    except Rejected as reject:
        return reject


def shown(outcome: Signed | Rejected) -> Any:
    if isinstance(outcome, Rejected):
        return outcome.reason
    return [numbers.tolist() for numbers in ids_and_labels(outcome)]


def outcomes(talks: Sequence[list[Row]], text: str, batch_rows: int = 50) -> list[Any]:
    batches = SFT_PAIRS.table(rows_of(talks)).to_batches(max_chunksize=batch_rows)
    return [shown(outcome) for batch in encoded(batches, with_template(text)) for outcome in batch.each()]


@pytest.mark.parametrize("name", SAMPLES)
@given(talks=st.lists(conversations(), max_size=8))
@settings(max_examples=20)
def test_together_conversations_are_what_each_is_alone(name: str, talks: list[list[Row]]) -> None:
    text = SAMPLES[name].text
    assert outcomes(talks, text) == [shown(alone(talk, text)) for talk in talks]


@pytest.mark.parametrize("look", LOOKING.values(), ids=LOOKING)
@given(texts=st.lists(st.tuples(TEXTS, TEXTS), max_size=12))
@settings(max_examples=20)
def test_whatever_a_template_looks_for_in_a_text(look: str, texts: list[tuple[str, str]]) -> None:
    template = "{% set m = messages[-1] %}" + look + loop(TURN, other="{{ m.content }}" + look)
    talks = [[turn("user", asked), turn("assistant", said)] for asked, said in texts]
    found = outcomes(talks, template)
    assert all(each in UNCLEAR for each in found if isinstance(each, str))
    for talk, each in zip(talks, found, strict=True):
        if each not in UNCLEAR:
            real = ChatTemplate(template, {}, []).render(talk, Setting(None, DAY))
            learned = [label for label in each[1] if label >= 0]
            assert each[0] == shipped().core.encode(real, add_special_tokens=False).ids
            assert shipped().core.decode(learned, skip_special_tokens=False) == talk[1]["content"] + END


@given(st.lists(conversations(), max_size=12))
@settings(max_examples=20)
def test_the_batches_in_which_rows_come_change_nothing(talks: list[list[Row]]) -> None:
    text = shipped().chat_template
    found = [outcomes(talks, text, batch_rows) for batch_rows in (1, 5, 100)]
    assert found == [found[0]] * 3


@pytest.mark.parametrize(
    "name",
    ["shipped", "plain", "trimming", "default system", "system in the first turn", "thinking", "returning"],
)
def test_templates_of_the_usual_kind_are_joined(name: str) -> None:
    talks = [[turn("user", f"q{n}"), turn("assistant", f" a{n} ", train=n > 0)] for n in range(3)]
    template = ChatTemplate(SAMPLES[name].text, {}, [])
    batch = RenderedBatch(3)
    [group] = PlainTurns(*SFT_PAIRS.table(rows_of(talks)).to_batches(), column="messages").groups()
    Joiner(template, lambda text: 0, prompt=False).join(group, batch)
    assert batch.left() == []


@pytest.mark.parametrize("name", ["upper", "tilde", "join", "block", "replaced"])
def test_templates_that_make_other_strings_are_never_traced(name: str) -> None:
    assert not can_be_traced(loop(LOOKING[name] + TURN))


@pytest.mark.parametrize("name", [name for name in LOOKING if "a word" in name])
def test_templates_whose_own_strings_look_into_a_text_are_never_traced(name: str) -> None:
    assert not can_be_traced(loop(LOOKING[name] + TURN))


def test_a_control_token_in_a_text_is_found_by_its_id() -> None:
    talks = [
        [turn("user", said), turn("assistant", "a")] for said in ("q", f"q{END}", "<|im_start|>", "<|im_")
    ]
    found = outcomes(talks, shipped().chat_template)
    assert [isinstance(each, str) and each for each in found] == [
        False,
        *["control_token_in_text"] * 2,
        False,
    ]


@pytest.mark.parametrize("shown", ["m.content", "m.content | replace('~', '~')"], ids=["joined", "rendered"])
def test_a_control_token_that_two_texts_make_together_is_found(shown: str) -> None:
    text = loop(TURN.replace("m.content", f"(m.reasoning_content or '') + ({shown})"))
    talks = [
        [turn("user", "q"), turn("assistant", said, reasoning_content="a <|im_")]
        for said in ("end|> b", "end b", "end|")
    ]
    found = outcomes(talks, text)
    assert [isinstance(each, str) and each for each in found] == ["control_token_in_text", False, False]


def test_what_a_tokenizer_does_not_know_is_no_control_token() -> None:
    words = ["<unk>", "<|im_start|>", END, "user", "assistant", "known"]
    core = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    core.pre_tokenizer = WhitespaceSplit()
    core.add_special_tokens(words[:3])
    tokenizer = replace(shipped(), core=core, identity="words", control_tokens=tuple(words[:3]))
    talks = [[turn("user", said), turn("assistant", "known")] for said in ("known", "new", "<unk>")]
    found = [shown(each) for each in encoded_rows(rows_of(talks), tokenizer)]
    known = [[1, 3, 5, 2, 1, 4, 5, 2], [*[-100] * 6, 5, 2]]
    assert found == [known, [[1, 3, 0, *known[0][3:]], known[1]], "control_token_in_text"]


def test_turns_that_are_not_shown_are_counted_by_row() -> None:
    first = [turn("user", "q"), turn("assistant", "a", reasoning_content="hm")]
    talks = [[*first, turn("user", "r"), turn("assistant", "b")], first]
    batches = SFT_PAIRS.table(rows_of(talks)).to_batches()
    [found] = encoded(batches, with_template(loop(THINKING, before=THOUGHT)))
    assert found.unshown.tolist() == [1, 0]


@given(st.lists(conversations(), max_size=6))
@settings(max_examples=20)
def test_prompts_end_where_the_answer_begins_and_are_all_context(talks: list[list[Row]]) -> None:
    prompts = [talk[:-1] for talk in talks]
    rows = [
        {"prompt_key": "k", "prompt": prompt, **{key: row[key] for key in row if key != "messages"}}
        for row, prompt in zip(rows_of(talks), prompts, strict=True)
    ]
    batches = RL_PROMPTS.table(rows).to_batches(max_chunksize=4)
    found = [outcome for batch in prompts_encoded(batches, shipped()) for outcome in batch.each()]
    assert all(not isinstance(each, Rejected) and (each < 0).all() for each in found)
    texts = [shipped().core.decode((~each).tolist(), skip_special_tokens=False) for each in found]
    whole = [rendered(talk).text for talk in talks]
    assert all(text.startswith(prompt) for text, prompt in zip(whole, texts, strict=True))
    assert all(prompt.endswith("<|im_start|>assistant\n") for prompt in texts)
