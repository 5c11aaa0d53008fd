"""The report of a release: one HTML page that needs nothing else, with its funnel and plots drawn in it.

Belongs here: markup, shapes and colours. Does not: the numbers (release.py). Every text that others chose is
escaped, and the page has no script.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from medallion_assets.release.manifest import ReleaseManifest
from medallion_assets.report.release import FILL_STEPS, Figures

WIDTH, LINE, LABEL, BAR = 780, 22, 380, 320
COLUMNS_HEIGHT, COLUMN_ROOM = 140, 700
BLUE, RED = "#3b76c4", "#c9573c"
MOST_BARS, MOST_CHARACTERS = 20, 50
COUNTS = ("landed", "conformed", "kept", "held", "tokens")
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#222;background:#fff}
body{max-width:60em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse;margin:1em 0}
th,td{padding:.25em .8em;border-bottom:1px solid #ddd;text-align:left}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
h2{margin-top:2em}code{background:#f3f3f3;padding:.1em .3em}svg text{font:12px system-ui,sans-serif;fill:#333}
""".strip()
Bars = Sequence[tuple[str, int]]


def page_of(manifest: ReleaseManifest, figures: Mapping[str, Figures]) -> str:
    body = "\n".join(
        [*_head(manifest), *(line for recipe, found in figures.items() for line in _recipe(recipe, found))]
    )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(manifest.name)}</title>'
        f"<style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _head(manifest: ReleaseManifest) -> Iterator[str]:
    yield f"<h1>Release {escape(manifest.name)}</h1>"
    yield (
        f"<p>Landing dates {manifest.first} to {manifest.last}; {len(manifest.exports):,} exports; "
        f"recipes {escape(', '.join(manifest.recipes))}.</p>"
    )
    rows = [
        [each.recipe, each.source, each.revision or "", each.identity[:16]] for each in manifest.tokenizers
    ]
    yield _table(["recipe", "tokenizer", "revision", "identity"], rows, texts=4)


def _recipe(recipe: str, found: Figures) -> Iterator[str]:
    yield f"<h2>{escape(recipe)}</h2>"
    yield from ("<h3>Funnel by source</h3>", _funnel(found))
    yield _bars("Records held, by source", [(each.source, each.held) for each in found.sources], BLUE)
    if found.rejected:
        reasons = [(f"{each.reason} ({each.table})", each.records) for each in found.rejected]
        yield _bars("Records left out, by reason", reasons, RED)
        rows = [[each.table, each.stage, each.reason, f"{each.records:,}"] for each in found.rejected]
        yield _table(["left out by", "stage", "reason", "records"], rows, texts=3)
    if found.lengths:
        counts = dict(found.lengths)
        least = [1 << power for power in range(min(counts).bit_length() - 1, max(counts).bit_length())]
        steps = [(f"{each:,}", counts.get(each, 0)) for each in least]
        yield _columns("Records by tokens, from this many to below the next", steps)
    if found.fill:
        filled = dict(found.fill)
        steps = [(f"{100 * step // FILL_STEPS}%", filled.get(step, 0)) for step in range(FILL_STEPS)]
        yield _columns("Rows by how full they are, from this share on", steps)


def _funnel(found: Figures) -> str:
    rows = [[each.source, *(_number(getattr(each, name)) for name in COUNTS)] for each in found.sources]
    landed = [each.landed for each in found.sources if each.landed is not None]
    sums = (sum(getattr(each, name) for each in found.sources) for name in COUNTS[1:])
    return _table(["source", *COUNTS], [*rows, ["all", _number(sum(landed)), *map(_number, sums)]], texts=1)


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]], *, texts: int) -> str:
    """The first columns are texts, the others numbers."""

    def line(cells: Sequence[str], tag: str) -> str:
        kinds = ("" if place < texts else ' class="n"' for place in range(len(cells)))
        drawn = (f"<{tag}{kind}>{escape(cell)}</{tag}>" for kind, cell in zip(kinds, cells, strict=True))
        return f"<tr>{''.join(drawn)}</tr>"

    return f"<table>{line(heading, 'th')}{''.join(line(row, 'td') for row in rows)}</table>"


def _bars(title: str, bars: Bars, colour: str) -> str:
    """Horizontal bars, the longest first; those beyond MOST_BARS together."""
    ordered = sorted(bars, key=lambda bar: (-bar[1], bar[0]))
    if len(ordered) > MOST_BARS:
        rest = ordered[MOST_BARS - 1 :]
        ordered = [*ordered[: MOST_BARS - 1], (f"{len(rest)} others", sum(count for _, count in rest))]
    longest = max((count for _, count in ordered), default=0) or 1
    drawn = "".join(
        f'<text x="{LABEL - 8}" y="{place * LINE + 15}" text-anchor="end">'
        f"{escape(name[:MOST_CHARACTERS])}</text>"
        f'<rect x="{LABEL}" y="{place * LINE + 3}" width="{max(round(BAR * count / longest), min(count, 1))}"'
        f' height="{LINE - 6}" fill="{colour}"/>'
        f'<text x="{LABEL + round(BAR * count / longest) + 6}" y="{place * LINE + 15}">{count:,}</text>'
        for place, (name, count) in enumerate(ordered)
    )
    return _figure(title, len(ordered) * LINE + 4, drawn)


def _columns(title: str, steps: Bars) -> str:
    """Vertical bars from left to right."""
    width = min(COLUMN_ROOM // max(len(steps), 1), 70)
    most = max((count for _, count in steps), default=0) or 1
    drawn = ""
    for place, (name, count) in enumerate(steps):
        height = max(round(COLUMNS_HEIGHT * count / most), min(count, 1))
        x, middle = place * width, place * width + width // 2
        top = 18 + COLUMNS_HEIGHT - height
        drawn += f'<rect x="{x + 2}" y="{top}" width="{width - 4}" height="{height}" fill="{BLUE}"/>'
        drawn += f'<text x="{middle}" y="{COLUMNS_HEIGHT + 34}" text-anchor="middle">{escape(name)}</text>'
        if count:
            drawn += f'<text x="{middle}" y="{top - 4}" text-anchor="middle">{_short(count)}</text>'
    return _figure(title, COLUMNS_HEIGHT + 40, drawn)


def _figure(title: str, height: int, drawn: str) -> str:
    return (
        f"<h3>{escape(title)}</h3>"
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" role="img"'
        f' aria-label="{escape(title)}">{drawn}</svg>'
    )


def _short(count: int) -> str:
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**4, "k")):
        if count >= size:
            return f"{count / (1000 if unit == 'k' else size):.3g}{unit}"
    return str(count)


def _number(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"
