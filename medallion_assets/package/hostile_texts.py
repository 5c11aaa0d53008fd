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
PIECES = (
    *(" ", "  ", "   ", "\t", "\t\t ", "\n", "\n\n", " \n", "\n ", "\r\n", "\r", "\v", "\f", "\0", "\x1b[0m"),
    *("\u00a0", "\u2003", "\u3000", "\u200b", "\u200d", "\ufeff", "\u2028", "\u0085", "\u00ad", "\u202e"),
    *("'s", "'S", "'ll", "'VE", "’t", "don't", "I'm", "'", '"', "``", "_", "__init__", "camelCase", "ÀÉÎ"),
    *("0", "12", "123", "1234", "12345678901", "1,234.5e-6", "٣٤٥", "１２", "½", "²", "Ⅷ", "0x1F", "-7"),
    *("a", "I", "the", " of", "Hello", " world", "naïve", "straße", "ﬁ", "İstanbul", "ǅ", "ß", "ſ", "K"),
    *("漢字", "かな", "カナ", "한국어", "ไทย", "हिन्दी", "العربية", "עברית", "Ελλάς", "Привет", "𝒜𝓑", "𐍈"),
    *("e\u0301", "e\u0301\u0323", "\u0301", "Å", "\u212b", "क\u093c", "\u1100\u1161\u11a8", "각"),
    *("🙂", "👩‍👩‍👧", "🇩🇪", "👍🏽", "❤️", "☃", "\U0010fffd", "\ue000", "\ufffd", "\uffff"),
    *("<|", "|>", "<", ">", "</", "[", "]", "<s>", "</s>", "<think>", "{{", "%}", "#!/", "://", "@", "&amp;"),
    *("...", "!!!", "?!", "--", "===", "***", "~", "^", "$$", "\\n", "\\", "/", "//", ";", "()", "[];", "=>"),
)


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
    base = draw.choice((0, 0x80, 0x300, 0x600, 0x900, 0x1100, 0x2000, 0x3000, 0x4E00, 0xAC00, 0xFE00, 0x1F300))
    points = [base + draw.randrange(0x180) for _ in range(PIECES_OF_A_TEXT)]
    points += [draw.randrange(0x110000) for _ in range(PIECES_OF_A_TEXT // 4)]
    draw.shuffle(points)
    return "".join(chr(point) for point in points if not 0xD800 <= point < 0xE000)


def _of_tokens(draw: random.Random, core: Tokenizer) -> str:
    """Any tokens side by side, where merges meet that no usual text has."""
    size = core.get_vocab_size()
    ids = [draw.randrange(size) for _ in range(TOKENS_OF_A_TEXT)]
    return str(core.decode(ids, skip_special_tokens=False))
