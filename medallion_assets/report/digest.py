"""The report of a release as the UI shows it: what its page says (page.py), as one markdown text with plots.

Belongs here: the order of tables and plots. Does not: the numbers (release.py), or how a plot is drawn
(drawing.py). Names that others chose go through inert_name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from medallion_assets.release.manifest import ReleaseManifest
from medallion_assets.report.drawing import RED, Bars, bars, columns, inert_name, steps
from medallion_assets.report.plots import number, table, top
from medallion_assets.report.release import FILL_STEPS, Figures

MOST_BARS = 10
COUNTS = ("landed", "conformed", "kept", "held", "tokens")


def digest_of(manifest: ReleaseManifest, figures: Mapping[str, Figures]) -> str:
    head = (
        f"Landing dates {manifest.first} to {manifest.last}, {len(manifest.exports):,} exports. "
        f"Tokenizers: {', '.join(f'`{each.identity[:16]}` ({each.recipe})' for each in manifest.tokenizers)}."
    )
    parts = (part for recipe, found in figures.items() for part in _recipe(recipe, found))
    return "\n\n".join([head, *parts])


def _recipe(recipe: str, found: Figures) -> Iterator[str]:
    yield f"## {recipe}"
    lines = [
        [inert_name(each.source), *(number(getattr(each, name)) for name in COUNTS)] for each in found.sources
    ]
    yield table(["source", *COUNTS], lines, numbers=len(COUNTS))
    yield bars("records held, by source", _most({each.source: each.held for each in found.sources}))
    if found.rejected:
        left_out = {f"{each.reason} in {_name(each.table)}": each.records for each in found.rejected}
        yield bars("records left out", _most(left_out), first=RED, others=RED)
    if found.lengths:
        yield steps("records by tokens", dict(found.lengths))
    if found.fill:
        filled = dict(found.fill)
        counts = [filled.get(step, 0) for step in range(FILL_STEPS)]
        yield columns("rows by how full they are", counts, ("0%", "100%"))


def _name(table: str) -> str:
    """Without its layer, so that it can be read whole."""
    return table.rpartition("/")[-1]


def _most(counts: Mapping[str, int]) -> Bars:
    return top(counts, MOST_BARS)
