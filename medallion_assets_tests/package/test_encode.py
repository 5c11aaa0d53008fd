"""Laws of the labels: the learned tokens are what the assistant said, to the token."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from medallion_assets.package.render.render import Rendered
from medallion_assets.package.render.turns import Span
from medallion_assets.package.tokens.encode import IGNORED_LABEL, ids_and_labels
from medallion_assets.records import Rejected
from medallion_assets_tests.package.chat import (
    CHATML,
    Row,
    conversations,
    for_transformers,
    labelled,
    learned_text,
    rendered,
    shipped,
    spoken,
    variant,
)

BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}


@cache
def transformers_tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(CHATML)


def tokens(talk: Rendered) -> tuple[list[int], list[int]]:
    signed = labelled(talk)
    assert not isinstance(signed, Rejected)
    ids, labels = ids_and_labels(signed)
    return ids.tolist(), labels.tolist()


def span_of(text: str, part: str) -> Rendered:
    start = len(text[: text.index(part)].encode())
    end = start + len(part.encode())
    return Rendered(text, [Span(start, start, end, end)])


@given(conversations())
def test_the_labelled_tokens_decode_to_the_learned_turns(messages: list[Row]) -> None:
    expected = "".join(spoken(message) for message in messages if message["train"])
    assert learned_text(rendered(messages)) == expected


@given(conversations())
def test_the_ids_are_those_of_the_text_and_labels_are_ids_or_ignored(messages: list[Row]) -> None:
    talk = rendered(messages)
    ids, labels = tokens(talk)
    assert ids == shipped().core.encode(talk.text, add_special_tokens=False).ids
    assert all(label in (number, IGNORED_LABEL) for number, label in zip(ids, labels, strict=True))


@given(conversations(train=True))
def test_the_mask_is_the_one_that_transformers_computes(messages: list[Row]) -> None:
    theirs = transformers_tokenizer().apply_chat_template(
        for_transformers(messages), return_dict=True, return_assistant_tokens_mask=True
    )
    ids, labels = tokens(rendered(messages))
    ours = [int(label != IGNORED_LABEL) for label in labels]
    assert (ids, ours) == (theirs["input_ids"], theirs["assistant_masks"])


@given(st.lists(st.tuples(st.integers(0, 2**31 - 1), st.booleans())))
def test_one_signed_array_carries_ids_and_labels(pairs: list[tuple[int, bool]]) -> None:
    signed = np.array([number if learn else ~number for number, learn in pairs], np.int32)
    ids, labels = ids_and_labels(signed)
    assert ids.tolist() == [number for number, _ in pairs]
    assert labels.tolist() == [number if learn else IGNORED_LABEL for number, learn in pairs]


@pytest.mark.parametrize("said", ["🙂", "ok 👩‍👩‍👧", "🇩🇪", "e\u0323\u0302", "漢字"])
def test_every_token_of_a_character_at_the_end_is_learned(said: str) -> None:
    assert learned_text(span_of(f"Q:🙂A:{said} Z", said)) == said


@pytest.mark.parametrize(
    "post_processor", [None, BYTE_LEVEL, {"type": "Sequence", "processors": [BYTE_LEVEL]}]
)
@pytest.mark.parametrize("said", [" foo bar", "   foo", "foo   ", "  \n foo\n\n", "   "])
def test_spaces_at_a_border_are_learned_even_where_offsets_leave_them_out(
    said: str, post_processor: Any, tmp_path: Path
) -> None:
    loaded = variant(tmp_path, tokenizer={"post_processor": post_processor})
    assert learned_text(span_of(f"A:{said}<|im_end|>", said), loaded) == said


@pytest.mark.parametrize("post_processor", [None, BYTE_LEVEL])
@pytest.mark.parametrize(("text", "said"), [("A: foo", "foo"), ("the answer", "swer"), ("of the", "of t")])
def test_a_token_across_the_border_is_no_clear_mask(
    text: str, said: str, post_processor: Any, tmp_path: Path
) -> None:
    loaded = variant(tmp_path, tokenizer={"post_processor": post_processor})
    assert learned_text(span_of(text, said), loaded) == "mask_unclear"


def test_what_a_tokenizer_drops_whole_is_no_clear_mask(tmp_path: Path) -> None:
    strip = {"type": "Replace", "pattern": {"String": "x"}, "content": ""}
    loaded = variant(tmp_path, tokenizer={"normalizer": strip})
    assert learned_text(span_of("A:xx<|im_end|>", "xx"), loaded) == "mask_unclear"


def test_a_turn_that_is_not_learned_has_no_labels() -> None:
    assert learned_text(Rendered("A: foo", [])) == ""
