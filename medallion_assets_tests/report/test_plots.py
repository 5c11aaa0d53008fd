"""Laws of what the UI draws: inert whatever names say, well formed, and small enough to be shown inline."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Any
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.report.plots import duplicates, funnel, markdown_of, packaged
from medallion_assets.report.shapes import FILL_STEPS, Shapes

SVG = "{http://www.w3.org/2000/svg}"
INLINE_CHARACTERS = 1000  # more is folded
IMAGE = re.compile(r"!\[\]\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]*)\)")
HOSTILE = (
    "<script>alert(1)</script>",
    "![x](http://x.invalid/pixel.png)",
    "[click](javascript:alert(1))",
    "&lt;b&gt;\"'|\n|x|",
    "www.x.invalid",
    "\ud800\x00\x1b]]>",
)
Row = dict[str, Any]
names = st.sampled_from(HOSTILE) | st.text(max_size=80) | st.text("abcdef_", min_size=1, max_size=30)
counts = st.integers(0, 10**9)


def counted(draw: st.DrawFn, key: str, keys: st.SearchStrategy[Any], **same: Any) -> list[Row]:
    found = draw(st.dictionaries(keys, st.integers(1, 10**9), max_size=12))
    return [{**same, key: name, "count": count} for name, count in found.items()]


@st.composite
def rows(draw: st.DrawFn, names: st.SearchStrategy[str] = names) -> Row:
    """Of one unit, with its figures where anything was kept."""
    row = {name: draw(counts) for name in ("landed", "conformed", "kept")}
    described = dict.fromkeys(("characters", "words", "tokens", "turns"), None)
    if row["kept"]:
        described = {name: {"p50": draw(counts), "p95": draw(counts)} for name in ("characters", "words")}
        described |= {"tokens": draw(st.none() | st.just({"p50": 1, "p95": 2})), "turns": {"mean": 2.0}}
    powers = st.just(0) | st.integers(0, 40).map(lambda power: 1 << power)
    return {
        **row,
        **described,
        "unit": "sft_pairs",
        "source": draw(names),
        "rejected": counted(draw, "reason", names, stage="dedup"),
        "histogram": counted(draw, "least", powers) if row["kept"] else [],
        "languages": counted(draw, "language", st.none() | names) if row["kept"] else [],
    }


def drawings(markdown: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(b64decode(image)) for image in IMAGE.findall(markdown)]


@given(st.lists(rows(), min_size=1, max_size=5))
def test_no_name_becomes_markup(found: list[Row]) -> None:
    for markdown in markdown_of(found).values():
        for drawing in drawings(markdown):
            assert {element.tag for element in drawing.iter()} <= {
                f"{SVG}{tag}" for tag in ("svg", "path", "text")
            }
            allowed = {"width", "height", "font-family", "font-size", "fill", "d", "x", "y"}
            assert {name for element in drawing.iter() for name in element.attrib} <= allowed
        assert re.fullmatch(r"[\w |:,./?\n\xa0-]*", IMAGE.sub("", markdown))


reasons = st.dictionaries(names, st.integers(1, 10**9), max_size=12)
powers = st.dictionaries(st.integers(0, 40).map(lambda power: 1 << power), st.integers(1, 10**9), max_size=20)
fills = st.dictionaries(st.integers(0, FILL_STEPS - 1), st.integers(1, 10**9))


@given(counts, reasons, powers, fills)
def test_plots_of_a_partition_are_inert_and_shown_inline(
    kept: int, found: dict[str, int], lengths: dict[int, int], fill: dict[int, int]
) -> None:
    plots = [funnel(kept, found), duplicates(found), *packaged(Shapes(lengths, fill)).values()]
    assert [plot for plot in plots if IMAGE.sub("", plot)] == []
    for drawing in (drawing for plot in plots for drawing in drawings(plot)):
        assert {element.tag for element in drawing.iter()} <= {
            f"{SVG}{tag}" for tag in ("svg", "path", "text")
        }
    plain = all(re.fullmatch("[a-z_]{1,30}", name) for name in found)
    assert [len(plot) for plot in plots if plain and len(plot) >= INLINE_CHARACTERS] == []


@given(st.lists(rows(), min_size=1, max_size=5))
def test_a_table_has_a_line_for_each_source(found: list[Row]) -> None:
    lines = markdown_of(found)["sft_pairs"].split("\n")
    assert len(lines) == 2 + len(found)
    assert {line.count("|") for line in lines} == {6}


@given(rows(st.text("abcdef_", min_size=1, max_size=30)))
def test_every_plot_is_shown_inline(row: Row) -> None:
    sizes = {name: len(markdown) for name, markdown in markdown_of([row]).items()}
    assert {name: size for name, size in sizes.items() if size >= INLINE_CHARACTERS} == {}


@given(st.lists(rows(), min_size=1, max_size=3))
def test_the_funnel_tells_of_every_record(found: list[Row]) -> None:
    [drawing] = drawings(markdown_of(found)["sft_pairs records"])
    entered, *parts = (int(text.text.split()[0].replace(",", "")) for text in drawing.iter(f"{SVG}text"))  # type: ignore[union-attr]
    rejected = [reject["count"] for row in found for reject in row["rejected"]]
    assert entered == sum(parts) == sum(row["kept"] for row in found) + sum(rejected)


@given(st.lists(rows(), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_show(found: list[Row], order: Any) -> None:
    distinct = list({row["source"]: row for row in found}.values())
    shuffled = order.sample(distinct, len(distinct))
    assert markdown_of(shuffled) == markdown_of(distinct)


def test_where_nothing_was_kept_only_counts_are_shown() -> None:
    row = {"unit": "rl_prompts", "source": "math", "landed": 1_200, "conformed": 0, "kept": 0}
    lost = [{"stage": "conform", "reason": "invalid_json", "count": 1_200}]
    shown = markdown_of([{**row, "rejected": lost, "histogram": [], "languages": []}])
    assert [*shown] == ["rl_prompts", "rl_prompts records"]
    assert shown["rl_prompts"].split("\n") == [
        "|source|landed|conformed|kept|rejected|",
        "|-|-:|-:|-:|-|",
        "|math|1,200|0|0|1,200\xa0invalid_json|",
    ]


def test_no_rows_show_nothing() -> None:
    assert markdown_of([]) == {}
