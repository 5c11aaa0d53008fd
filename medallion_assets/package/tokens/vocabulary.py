"""What each token of a vocabulary stands for: how many bytes of text, and whether it controls.

Belongs here: tables by token id. Does not: using them (encode.py, conversations.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from medallion_assets.package.tokens.control_tokens import ControlTokens

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPACE_AS_LETTER = "▁"
# What cuts a text and leaves all of it.
CUTTERS = frozenset({"ByteLevel", "Split", "Digits", "Punctuation", "UnicodeScripts"})
Table = np.ndarray[tuple[int], np.dtype[np.int32]]


@dataclass(frozen=True)
class Vocabulary:
    """`byte_lengths` by id, if tokens are pieces of the text; `control` unless a text may spell a control
    token that is not encoded as it."""

    byte_lengths: Table | None
    control: ControlTokens | None


def vocabulary(core: Tokenizer) -> Vocabulary:
    added = core.get_added_tokens_decoder()
    spelt = core.get_vocab(with_added_tokens=True)
    size = max([*spelt.values(), *added, 0]) + 1
    control = [number for number, token in added.items() if token.special]
    anywhere = all(not added[number].single_word for number in control)
    return Vocabulary(_byte_lengths(core, spelt, size), ControlTokens(control, size) if anywhere else None)


def _byte_lengths(core: Tokenizer, spelt: Mapping[str, int], size: int) -> Table | None:
    length = _length_in_bytes(core)
    if length is None:
        return None
    lengths = np.zeros(size, np.int32)
    lengths[np.fromiter(spelt.values(), np.int64, len(spelt))] = np.fromiter(
        map(length, spelt), np.int32, len(spelt)
    )
    for number, token in core.get_added_tokens_decoder().items():
        lengths[number] = len(token.content.encode())
    return lengths


def _length_in_bytes(core: Tokenizer) -> Callable[[str], int] | None:
    """How a token's spelling tells the length of its text; None where tokens are no pieces of a text.

    NFC is let through: of a text that is in that form already it changes nothing (encode.py looks).
    """
    normalizer, cutters = _settings(core.normalizer), list(_parts(_settings(core.pre_tokenizer)))
    removing = any(part.get("behavior") == "Removed" or part["type"] not in CUTTERS for part in cutters)
    if type(core.model).__name__ != "BPE" or removing:
        return None
    by_bytes = [part for part in cutters if part["type"] == "ByteLevel"]
    if by_bytes:
        plain = normalizer is None or normalizer["type"] == "NFC"
        return len if plain and not any(part["add_prefix_space"] for part in by_bytes) else None
    spaces = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE_AS_LETTER}
    return _length_with_spaces if normalizer == spaces else None


def _settings(step: Any) -> dict[str, Any] | None:
    """Of one step, as tokenizer.json has them: writing all of that takes as long as reading its tokens."""
    return None if step is None else msgspec.json.decode(step.__getstate__(), type=dict[str, Any])


def _parts(step: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    if step is None:
        return
    if step["type"] == "Sequence":
        for part in step["pretokenizers"]:
            yield from _parts(part)
    else:
        yield step


def _length_with_spaces(token: str) -> int:
    if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):  # a byte that has no token
        return 1
    return len(token.replace(SPACE_AS_LETTER, " ").encode())
