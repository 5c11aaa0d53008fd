"""Rendered conversations to token ids with assistant-only labels, in batches over all cores.

Belongs here: ids and the token spans of the labels. Does not: text (template.py) or bins (pack.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from medallion_assets.package.template import Rendered
from medallion_assets.records import Rejected

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

IGNORED_LABEL = -100

# One array carries ids and labels: a token that is learned is its id, one that is context is ~id (negative).
Signed = np.ndarray[tuple[int], np.dtype[np.int32]]


def encode_texts(core: Tokenizer, batch: Sequence[Rendered]) -> list[Encoding]:
    """Ids and offsets from the compiled tokenizer, over all cores and without the interpreter's lock."""
    return core.encode_batch([rendered.text for rendered in batch], add_special_tokens=False)


def label(encoding: Encoding, rendered: Rendered) -> Signed | Rejected:
    """A conversation's signed token ids, or why its labels can't be placed."""
    ids = np.array(encoding.ids, np.int32)
    signed = ~ids
    for start, end in rendered.spans:
        first, last = _first_token(encoding, start, end), _last_token(encoding, start, end)
        if first is None or last is None:
            return Rejected(
                "mask_unclear", f"no token covers characters {start} to {end} of an assistant turn"
            )
        opens, closes = encoding.token_to_chars(first), encoding.token_to_chars(last)
        if opens is None or closes is None or opens[0] < start or closes[1] > end:
            return Rejected(
                "mask_unclear", f"a token reaches across the border of the turn at {start} to {end}"
            )
        signed[first : last + 1] = ids[first : last + 1]
    return signed


def ids_and_labels(signed: Signed) -> tuple[Signed, Signed]:
    context = signed < 0
    return np.where(context, ~signed, signed), np.where(context, np.int32(IGNORED_LABEL), signed)


def _first_token(encoding: Encoding, start: int, end: int) -> int | None:
    """The token of the span's first character; some tokenizers leave leading spaces out of their offsets."""
    return next(
        (token for at in range(start, end) if (token := encoding.char_to_token(at)) is not None), None
    )


def _last_token(encoding: Encoding, start: int, end: int) -> int | None:
    """The last token of the span's last character, which may be one of several that share it."""
    found = (
        token for at in range(end - 1, start - 1, -1) if (token := encoding.char_to_token(at)) is not None
    )
    token = next(found, None)
    if token is None:
        return None
    while (after := encoding.token_to_chars(token + 1) if token + 1 < len(encoding) else None) is not None:
        if after[0] >= end or after[1] > end:
            break
        token += 1
    return token
