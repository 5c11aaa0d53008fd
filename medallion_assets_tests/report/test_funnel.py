"""Laws of the funnels' tables: they fit the terminal, and no count is cut from its reason."""

from __future__ import annotations

import re
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.report.funnel import WIDTH, Funnel, PackedFunnel, recipe_as_text, tables_as_text

counts = st.integers(min_value=0, max_value=10**9)
ways_in = st.none() | counts
reasons = st.text("abcdef_", min_size=1, max_size=40)
funnels = st.builds(
    Funnel,
    table=st.sampled_from(["sft_pairs", "preference_triples", "rl_curriculum"]),
    key=st.dates().map(lambda day: day.isoformat()),
    landed=ways_in,
    derived=ways_in,
    conformed=ways_in,
    kept=counts,
    rejected=st.dictionaries(reasons, st.integers(min_value=1, max_value=10**6), max_size=12),
)
packed = st.builds(
    PackedFunnel, unit=funnels, bins=counts, tokens=counts, efficiency=st.none() | st.floats(0, 1)
)
REJECTED = re.compile(r"(?<!\S)(\d+) ([a-z_]+)(?=,|$)", re.MULTILINE)


def told(text: str) -> Counter[tuple[int, str]]:
    return Counter((int(count), reason) for count, reason in REJECTED.findall(text))


def said(rows: list[Funnel]) -> Counter[tuple[int, str]]:
    return Counter((count, reason) for row in rows for reason, count in row.rejected.items())


@given(st.lists(funnels, max_size=6))
def test_a_table_of_tables_fits_and_tells_every_reason(rows: list[Funnel]) -> None:
    text = tables_as_text(rows)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert told(text) == said(rows)
    assert [row.key for row in rows] == re.findall(r"\d{4}-\d\d-\d\d", text)


@given(st.lists(packed, max_size=6))
def test_a_table_of_a_recipe_fits_and_tells_every_reason(rows: list[PackedFunnel]) -> None:
    text = recipe_as_text(rows)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert told(text) == said([row.unit for row in rows])


def test_the_table_as_it_reads() -> None:
    rows = [
        Funnel("sft_pairs", "2024-09-01", 1_200, 0, 1_190, 1_188, {"exact_duplicate": 2, "invalid_json": 10}),
        Funnel("sft_pairs", "2024-09-02", 0, 7, 7, 7, {}),
        Funnel("rollout_sft", "2024-09-02", None, 7, None, 7, {}),
    ]
    assert tables_as_text(rows).splitlines() == [
        "table         partition  landed  derived  conformed   kept  rejected",
        "-----------  ----------  ------  -------  ---------  -----  --------",
        "sft_pairs    2024-09-01   1,200        0      1,190  1,188  2 exact_duplicate, 10 invalid_json",
        "             2024-09-02       0        7          7      7  none",
        "rollout_sft  2024-09-02       -        7          -      7  none",
    ]
