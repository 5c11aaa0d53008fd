"""Prompts as a chat template rendered them, special tokens gone, read back as turns.

Belongs here: the layouts in which trainers log prompts of one question. Does not: prompts of several turns,
whose borders can't be told from text, and which stay one text. A layout counts only where both ends fit it.
"""

from __future__ import annotations

import re

from medallion_assets.units import Message

LAYOUTS = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r"(?:system\n(?P<system>.*?)\n)?user\n(?P<user>.*)\nassistant\n(?:<think>\n)?",  # ChatML
        r"(?:system\n\n(?P<system>.*?))?user\n\n(?P<user>.*)assistant\n\n",  # Llama 3
        r"user\n(?P<user>.*)\nmodel\n",  # Gemma
    )
)
# Where one of these opens a line of the question, there may have been more turns.
INNER_HEADER = re.compile(r"^(?:system|user|assistant|model)$", re.MULTILINE)


def prompt_turns(rendered: str) -> list[Message]:
    """The system's and the user's turn; one user turn with the whole text where no layout fits."""
    for layout in LAYOUTS:
        found = layout.fullmatch(rendered)
        if found is not None and not INNER_HEADER.search(found["user"]):
            system = found.groupdict().get("system")
            return [*([Message("system", system)] if system else []), Message("user", found["user"])]
    return [Message("user", rendered)]
