"""Laws of transcripts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.conform.transcript import turns
from medallion_assets.records import Rejected
from medallion_assets.units import Message

# Too short and too poor in letters to hold a mark themselves.
TEXTS = st.text(st.sampled_from("ab :\n#umanAsit"), max_size=12).map(str.strip)
SAID = st.lists(st.tuples(st.sampled_from(["Human", "Assistant"]), TEXTS), min_size=1, max_size=5)
ROLES = {"Human": "user", "Assistant": "assistant"}


@given(SAID, st.sampled_from(["", "## "]))
def test_reading_gives_back_the_turns_that_were_written(said: list[tuple[str, str]], mark: str) -> None:
    written = "".join(f"\n\n{mark}{speaker}: {text}" for speaker, text in said)
    assert turns(written, "it") == [Message(ROLES[speaker], text) for speaker, text in said]


def test_an_empty_last_turn_is_a_turn() -> None:
    assert turns("\n\nHuman: a\n\nAssistant:", "it") == [Message("user", "a"), Message("assistant", "")]


@pytest.mark.parametrize(
    "inside", ["a Human: b", "a\nAssistant: b", "a\n\n## Human: b", "a\n\nHumans: b", "a\n\nhuman: b"]
)
def test_only_a_speaker_after_an_empty_line_opens_a_turn(inside: str) -> None:
    assert turns(f"Human: {inside}", "it") == [Message("user", inside)]


@pytest.mark.parametrize("text", ["", "Hello.\n\nHuman: a", "**Human**: a"])
def test_a_text_without_an_opening_speaker_is_no_transcript(text: str) -> None:
    with pytest.raises(Rejected, match="no_transcript: it begins with"):
        turns(text, "it")
