"""The chat templates of real models, as TRL has them, where it is installed; never part of the product.

MEDALLION_TEST_TRL_TEMPLATES names their folder, by default that of an installed trl.
"""

from __future__ import annotations

import json
import os
import re
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from transformers.utils.chat_template_utils import render_jinja_template

from medallion_assets.package.render.render import Rendered, Renderer
from medallion_assets.package.render.template import (
    ChatTemplate,
    Setting,
    for_template,
    with_written_arguments,
)
from medallion_assets.records import Rejected
from medallion_assets_tests.package.chat import DAY, Row, for_transformers, learned, turn

SPECIAL = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"}
CALL = {"name": "find", "arguments": {"query": 'cats "é"', "limit": 3}}
CALLS = json.dumps([{"type": "function", "id": "call_1", "function": CALL}])
PARAMETERS = {"type": "object", "properties": {"query": {"type": "string", "description": "q"}}}
TOOLS = json.dumps(
    [{"type": "function", "function": {"name": "find", "description": "d", "parameters": PARAMETERS}}]
)
ASKED = turn("user", "What one?")
CALLED = turn("tool", '{"r": "<one>"}', name="find", tool_call_id="call_1")
TALKS: dict[str, tuple[list[Row], str | None]] = {
    "one turn": ([ASKED, turn("assistant", "That one.")], None),
    "turns": (
        [ASKED, turn("assistant", "That one."), turn("user", "And?"), turn("assistant", "This.")],
        None,
    ),
    "system": ([turn("system", "Be good."), ASKED, turn("assistant", "That one.")], None),
    "space": ([turn("user", " q\n"), turn("assistant", "\n a one \n")], None),
    "thought": ([ASKED, turn("assistant", "That.", reasoning_content="Hm.")], None),
    "thoughts": (
        [
            ASKED,
            turn("assistant", "That.", reasoning_content="Hm."),
            turn("user", "And?"),
            turn("assistant", "This.", reasoning_content="So."),
        ],
        None,
    ),
    "inline": ([ASKED, turn("assistant", "<think>\nHm.\n</think>\n\nThat.")] * 2, None),
    "tools": ([ASKED, turn("assistant", "", tool_calls=CALLS), CALLED, turn("assistant", "Cats.")], TOOLS),
    "tools and thoughts": (
        [
            ASKED,
            turn("assistant", "", tool_calls=CALLS, reasoning_content="Look."),
            CALLED,
            turn("assistant", "Cats.", reasoning_content="Done."),
        ],
        TOOLS,
    ),
}
ARGUMENTS_AS_TEXT = ("deepseek_r1_distill", "deepseekv3")
# Where the prompt after a tool's answer is empty, and the turn has a header nevertheless.
OURS_ALONE = {"diffusion_gemma": {("ours", "<|turn>model\n"), ("ours", "<|tool_response>")}}


@cache
def folder() -> Path:
    given = os.environ.get("MEDALLION_TEST_TRL_TEMPLATES")
    found = find_spec("trl")
    return (
        Path(given)
        if given
        else Path(found.origin).parent / "chat_templates"
        if found and found.origin
        else Path("-")
    )


NAMES = sorted(path.stem for path in folder().glob("*.jinja"))
PAIRS = [name for name in NAMES if f"{name}_training" in NAMES]
needs_trl = pytest.mark.skipif(not NAMES, reason="trl is not installed; set MEDALLION_TEST_TRL_TEMPLATES")


def template(name: str) -> ChatTemplate:
    return ChatTemplate((folder() / f"{name}.jinja").read_text(encoding="utf-8"), SPECIAL, [])


def outcome(name: str, talk: str) -> Rendered | str:
    messages, tools = TALKS[talk]
    try:
        return Renderer(template(name)).talk(messages, Setting(tools, DAY))
    except Rejected as reject:
        return reject.reason


def said(message: Row, span: str) -> bool:
    """Whether a span holds all that a message says, but for tags and space around."""
    texts = [*re.split(r"</?think>", message["content"]), message["reasoning_content"] or ""]
    texts += [CALL["name"], "cats", "3"] if message["tool_calls"] else []
    return all(str(text).strip() in span for text in texts)


def differences(ours: Rendered, theirs: Rendered) -> set[tuple[str, str]]:
    """Who alone learns which piece of a text."""
    content = ours.text.encode()
    learned_by = [np.zeros(len(content) + 1, np.int8) for _ in range(2)]
    for flags, rendered in zip(learned_by, (ours, theirs), strict=True):
        for span in rendered.spans:
            flags[span.start : span.end] = 1
    alone = learned_by[0] - learned_by[1]
    cuts = [0, *(np.flatnonzero(np.diff(alone)) + 1).tolist(), len(content)]
    return {
        ("ours" if alone[first] > 0 else "theirs", content[first:last].decode())
        for first, last in pairwise(cuts)
        if alone[first]
    }


@needs_trl
@pytest.mark.parametrize("name", NAMES or ["-"])
def test_spans_hold_what_was_said_and_nothing_of_others(name: str) -> None:
    for talk, (every, _) in TALKS.items():
        found = outcome(name, talk)
        if isinstance(found, str):
            assert found in ("template_refused", "turn_not_shown")
            continue
        messages = [message for message in every if message["role"] == "assistant"]
        whole = "\0".join(learned(found))
        assert sum(said(message, whole) for message in messages) + found.unshown >= len(messages)
        others = [message["content"] for message in every if message["role"] != "assistant"]
        assert not any(other.strip() in whole for other in others)


@needs_trl
@pytest.mark.parametrize("name", NAMES or ["-"])
def test_the_text_is_what_transformers_renders(name: str) -> None:
    for talk, (messages, tools) in TALKS.items():
        found = outcome(name, talk)
        takes_objects = name not in ARGUMENTS_AS_TEXT or tools is None
        if not isinstance(found, str) and takes_objects and "strftime_now" not in template(name).text:
            [theirs], _ = render_jinja_template(
                [for_transformers(messages)],
                tools=json.loads(tools) if tools else None,
                chat_template=template(name).text,
                **SPECIAL,
            )
            assert found.text == theirs


@needs_trl
@pytest.mark.parametrize("name", PAIRS or ["-"])
def test_of_the_same_text_trl_marks_more_only_of_the_prompt_and_space_after_the_end_mark(name: str) -> None:
    for talk, (messages, tools) in TALKS.items():
        ours, theirs = outcome(name, talk), outcome(f"{name}_training", talk)
        if isinstance(ours, str) or isinstance(theirs, str) or ours.text != theirs.text:
            continue
        shown = [for_template(message) for message in messages]
        shown = with_written_arguments(shown) if name in ARGUMENTS_AS_TEXT else shown
        prompts = [
            template(name).render(shown[:place], Setting(tools, DAY), prompt=True)
            for place, message in enumerate(messages)
            if message["role"] == "assistant"
        ]
        for who, piece in differences(ours, theirs) - OURS_ALONE.get(name, set()):
            assert who == "theirs"
            assert piece.isspace() or any(piece in prompt for prompt in prompts)
