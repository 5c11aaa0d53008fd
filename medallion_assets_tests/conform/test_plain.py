"""What is conformed a batch at a time is what the loop makes of it, row by row."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.conform.conform import conform_batches
from medallion_assets.conform.delivery import Options
from medallion_assets.conform.format import format_names, load_format
from medallion_assets.conform.plain import plain_rows
from medallion_assets.curate.gates.quality import texts
from medallion_assets.curate.gates.quality.screen import may_be_damaged
from medallion_assets.curate.gates.quality.thresholds import DEFAULT_QUALITY, Quality
from medallion_assets.schemas import BRONZE, SFT_UNIT
from medallion_assets_tests.conform.rows import bronze_row

PLAIN_FORMATS = [name for name in format_names() if load_format(name).plain is not None]
ODD = "\t\n\r\x00\x0b\x1c\x7f\x85\xa0\xad\u2003\u200b\u2028\ufeff\ufffd\U000e0041"
LETTERS = st.sampled_from("ab :{é\u0301Ã©â€™漢я") | st.sampled_from(ODD) | st.characters(codec="utf-8")
TEXTS = st.text(LETTERS, max_size=8) | st.sampled_from(["x" * 30, "Ã©tÃ©" * 3, "caf\ufffd", " a", "a\n"])
ROLES = st.sampled_from(["user", "assistant", "system", "Human", "gpt", "tool", "nobody"])
TURNS = st.fixed_dictionaries(
    {"role": ROLES, "content": TEXTS | st.none()},
    optional={"train": st.booleans(), "name": st.none(), "weight": st.sampled_from([0, 1])},
)
TALKS = st.tuples(TEXTS, TEXTS).map(
    lambda said: [{"role": "user", "content": said[0]}, {"role": "assistant", "content": said[1]}]
)
OTHERS = {
    "id": st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    "a:b": TEXTS,
    "tools": st.sampled_from([None, [], "", "[]", {}]),
    "meta": st.dictionaries(TEXTS, TEXTS, max_size=2),
}
RECORDS = st.fixed_dictionaries({"messages": TALKS | st.lists(TURNS, max_size=4)}, optional=OTHERS)
# Texts that say the same, or something else, in another spelling.
SPELLINGS = {
    "as it is": lambda text: text,
    "a key twice": lambda text: text.replace('"content":', '"content": "x", "content":', 1),
    "another key twice": lambda text: '{"id": 1, ' + text[1:],
    "escaped colons": lambda text: text.replace("a:b", "a\\u003ab").replace(" :", "\\u003A"),
    "a key twice that an escaped colon makes up for": lambda text: '{"id": 1, "id": "\\u003a", ' + text[1:],
    "cut": lambda text: text[:-1],
    "space": lambda text: f" {text}\n",
}
QUALITIES = st.sampled_from(
    [
        DEFAULT_QUALITY,
        Quality(max_mojibake=None, max_replacement_characters=0.0),
        Quality(prompt_equals_answer="keep", min_answer_characters=5),
    ]
)


def tables(
    format_name: str, raws: list[str], quality: Quality, *, plain: bool
) -> list[tuple[pa.Table, pa.Table]]:
    format_ = load_format(format_name)
    rows = [bronze_row(raw, number) for number, raw in enumerate(raws, start=1)]
    batches = BRONZE.table(rows).to_batches(max_chunksize=4)
    used = format_ if plain else replace(format_, plain=None)
    return list(conform_batches(iter(batches), used, unit=SFT_UNIT, options=Options(), quality=quality))


def spelt(record: Any, *, ascii_only: bool, spelling: str) -> str:
    return SPELLINGS[spelling](json.dumps(record, ensure_ascii=ascii_only))


@pytest.mark.parametrize("format_name", PLAIN_FORMATS)
@given(
    st.lists(st.builds(spelt, RECORDS, ascii_only=st.booleans(), spelling=st.sampled_from([*SPELLINGS]))),
    QUALITIES,
)
@settings(max_examples=300)
def test_at_once_is_row_by_row(format_name: str, raws: list[str], quality: Quality) -> None:
    assert tables(format_name, raws, quality, plain=True) == tables(format_name, raws, quality, plain=False)


def test_what_is_plain_is_made_at_once() -> None:
    said = [{"role": "user", "content": "a: é\r"}, {"role": "assistant", "content": "«b» ¶ “c”"}]
    batch = BRONZE.table([bronze_row(json.dumps({"id": "x:1", "messages": said}))] * 3).to_batches()[0]
    places, rows = plain_rows(batch, load_format("messages").plain, DEFAULT_QUALITY)
    assert places.tolist() == [0, 1, 2]
    assert [turn["content"] for turn in rows.column("messages")[0].as_py()] == ["a: é", "«b» ¶ “c”"]


@given(st.lists(TEXTS, max_size=5))
def test_damage_is_never_overlooked(given_texts: list[str]) -> None:
    screened = may_be_damaged(pa.array(given_texts, pa.string()))
    found = [texts.REPLACEMENT in text or texts.MISREAD.search(text) is not None for text in given_texts]
    assert not (np.array(found, bool) & ~screened).any()
