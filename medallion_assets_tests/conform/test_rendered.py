"""Laws of rendered prompts: what templates wrapped is unwrapped, and what is not sure stays as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.conform.rendered import prompt_turns
from medallion_assets.units import Message, prompt_key

ROLES = {"system", "user", "assistant", "model"}
# None of whose lines may be a turn's beginning: that would be another conversation.
QUESTIONS = st.text(max_size=20).filter(lambda text: ROLES.isdisjoint(text.split("\n")))


@given(question=QUESTIONS, system=st.none() | st.text("abc \n", min_size=1, max_size=8))
@pytest.mark.parametrize(
    ("layout", "system_layout"),
    [
        ("user\n{}\nassistant\n", "system\n{}\n"),
        ("user\n{}\nassistant\n<think>\n", "system\n{}\n"),
        ("user\n\n{}assistant\n\n", "system\n\n{}"),
    ],
)
def test_what_a_template_wrapped_is_the_question(
    layout: str, system_layout: str, question: str, system: str | None
) -> None:
    rendered = (system_layout.format(system) if system else "") + layout.format(question)
    turns = prompt_turns(rendered)
    assert prompt_key(turns) == prompt_key([Message("user", question)])
    assert [turn.content for turn in turns if turn.role == "system"] == ([system] if system else [])


def test_gemma_calls_the_assistant_model() -> None:
    assert prompt_turns("user\n6 * 7?\nmodel\n") == [Message("user", "6 * 7?")]


@pytest.mark.parametrize(
    "text",
    [
        "6 * 7?",
        "",
        "user\n6 * 7?",
        "6 * 7?\nassistant\n",
        "user\nhi\nassistant\nhello\nuser\n6 * 7?\nassistant\n",
        "user\nIs this\nuser\na turn?\nassistant\n",
    ],
)
def test_what_is_not_one_question_stays_one_text(text: str) -> None:
    assert prompt_turns(text) == [Message("user", text)]


def test_a_system_turn_of_the_template_does_not_part_a_rollout_from_its_prompt() -> None:
    answered = [Message("system", "You are Qwen."), Message("user", "6 * 7?")]
    assert prompt_key(answered) == prompt_key([Message("user", "6 * 7?")])
