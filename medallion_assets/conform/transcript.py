"""Human:/Assistant: transcripts as turns.

Belongs here: the marks that open a turn. Does not: what a transcript holds (formats/).
"""

from __future__ import annotations

import re

from medallion_assets.records import Rejected
from medallion_assets.units import Message

ROLES = {"Human": "user", "Assistant": "assistant"}
# HH-RLHF writes "Human:", others "## Human:"; what opens the first turn opens them all.
OPENING = re.compile(r"(#* ?)(?:Human|Assistant):")
SHOWN_CHARACTERS = 40


def turns(text: str, what: str) -> list[Message]:
    """A turn for each Human: or Assistant: after an empty line; the space around its text is layout."""
    transcript = text.strip()
    opening = OPENING.match(transcript)
    if opening is None:
        found = transcript[:SHOWN_CHARACTERS]
        raise Rejected("no_transcript", f"{what} begins with {found!r}, expected 'Human:' or 'Assistant:'")
    mark = re.compile(rf"\n\n{re.escape(opening[1])}(Human|Assistant):")
    _, *pieces = mark.split(f"\n\n{transcript}")
    return [
        Message(ROLES[speaker], said.strip()) for speaker, said in zip(pieces[::2], pieces[1::2], strict=True)
    ]
