"""Texts that two implementations of one tokenizer would disagree about if they disagreed about any.

Belongs here: making them, always the same for a tokenizer. Does not: comparing (encoders.py).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SEED = 7
TEXTS_OF_A_KIND = 250
TOKENS_OF_A_TEXT = 120
PIECES_OF_A_TEXT = 40
SPACE = (
    *(" ", "  ", "   ", "\t", "\t\t ", "\n", "\n\n", " \n", "\n ", "\r\n", "\r", "\v", "\f", "\0", "\x1b[0m"),
    *("\u00a0", "\u2003", "\u3000", "\u200b", "\u200d", "\ufeff", "\u2028", "\u0085", "\u00ad", "\u202e"),
    *("\U0010fffd", "\ue000", "\ufffd", "\uffff", " of", " world"),
)
WORDS = """
's 'S 'll 'VE \u2019t don't I'm ' " `` _ __init__ camelCase ÀÉÎ a I the Hello naïve straße ß
0 12 123 1234 12345678901 1,234.5e-6 \u0663\u0664 \uff11\uff12 \u00bd \u00b2 \u2167 0x1F -7
\ufb01 \u0130stanbul \u01c5 \u017f \u212a e\u0301 e\u0301\u0323 \u0301 \u212b \u0915\u093c \u1100\u1161\u11a8
漢字 かな カナ 한국어 ไทย हिन्दी العربية עברית Ελλάς Привет \U0001d49c\U0001d4d1 \U00010348
🙂 \U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea \U0001f44d\U0001f3fd \u2764\ufe0f \u2603
<| |> < > </ [ ] <s> </s> <think> {{ %} #!/ :// @ &amp; ... !!! ?! -- === *** ~ ^ $$ \\n \\ / // ; () [];
"""
PIECES = (*SPACE, *WORDS.split())


def hostile_texts(core: Tokenizer) -> list[str]:
    draw = random.Random(SEED)  # noqa: S311  # a fixed sequence is what is wanted
    special = sorted({token.content for token in core.get_added_tokens_decoder().values()})
    return [
        "",
        *_runs(),
        *(_of_pieces(draw, PIECES) for _ in range(TEXTS_OF_A_KIND)),
        *(_of_pieces(draw, (*PIECES, *special)) for _ in range(TEXTS_OF_A_KIND)),
        *(_of_code_points(draw) for _ in range(TEXTS_OF_A_KIND)),
        *(_of_tokens(draw, core) for _ in range(TEXTS_OF_A_KIND)),
    ]


def _runs() -> Iterator[str]:
    """One thing many times over."""
    for piece in PIECES:
        yield piece
        yield piece * 3 + "x"
        yield "x" + piece * 257
    for letter in ("a", "é", "漢", " ", "1", "\n", "=", "🙂"):
        yield letter * 5_000


def _of_pieces(draw: random.Random, pieces: tuple[str, ...]) -> str:
    return "".join(draw.choices(pieces, k=PIECES_OF_A_TEXT))


def _of_code_points(draw: random.Random) -> str:
    """Some of one neighbourhood, as the texts of one script are; surrogates are no text."""
    base = draw.choice(
        (0, 0x80, 0x300, 0x600, 0x900, 0x1100, 0x2000, 0x3000, 0x4E00, 0xAC00, 0xFE00, 0x1F300)
    )
    points = [base + draw.randrange(0x180) for _ in range(PIECES_OF_A_TEXT)]
    points += [draw.randrange(0x110000) for _ in range(PIECES_OF_A_TEXT // 4)]
    draw.shuffle(points)
    return "".join(chr(point) for point in points if not 0xD800 <= point < 0xE000)


def _of_tokens(draw: random.Random, core: Tokenizer) -> str:
    """Any tokens side by side, where merges meet that no usual text has."""
    size = core.get_vocab_size()
    ids = [draw.randrange(size) for _ in range(TOKENS_OF_A_TEXT)]
    return str(core.decode(ids, skip_special_tokens=False))
