"""Profiles as the UI shows them: a markdown table and small plots, drawn as SVG in data URIs.

Belongs here: shapes, sizes and colours. Does not: any number's meaning (profile.py) or Dagster (assets/).
The UI folds markdown of 1,000 characters and more, so every byte of a plot counts; it draws images in its
light and its dark theme, so colours are of middle lightness and the background is none.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

Row = Mapping[str, Any]  # of PROFILE, or of its counts only
Bars = Sequence[tuple[str, int]]

MAX_BARS = 5
MAX_LABEL = 20
MAX_REASONS = 3
LINE, BAR, GAP = 15, 90, 5
WIDTH, HEIGHT = 240, LINE * (MAX_BARS + 1)
GREY, BLUE, RED = "#888", "#48d", "#d64"
LINE_END = "\n"


def table_of(rows: Sequence[Row]) -> str:
    """A markdown table with a line per unit and source."""
    described = any(row.get("characters") for row in rows)
    names = ["unit", "source", "landed", "conformed", "kept", *(DESCRIBED if described else ()), "rejected"]
    lines = [names, ["-", "-", *["-:"] * (len(names) - 3), "-"], *(_line(row, described) for row in rows)]
    return LINE_END.join(f"|{'|'.join(line)}|" for line in lines)


DESCRIBED = ("characters", "words", "tokens", "turns")


def _line(row: Row, described: bool) -> list[str]:
    counts = (_number(row[name]) for name in ("landed", "conformed", "kept"))
    figures = (_typical(row, name) for name in DESCRIBED) if described else ()
    reasons = (f"{count:,} {_inert(reason)}" for reason, count in _top(_reasons([row]), MAX_REASONS))
    return [_inert(row["unit"]), _inert(row["source"]), *counts, *figures, ", ".join(reasons)]


def _typical(row: Row, name: str) -> str:
    """The median, or the mean where that says more."""
    figures = row[name]
    if figures is None:
        return ""
    return f"{figures['mean']:.1f}" if name == "turns" else _number(figures["p50"])


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def plots_of(rows: Iterable[Row]) -> dict[str, str]:
    """Images as markdown, by unit and subject: what became of the records, their lengths and languages."""
    by_unit = groupby(sorted(rows, key=itemgetter("unit")), key=itemgetter("unit"))
    return {
        f"{unit} {subject}": _image(plot)
        for unit, found in by_unit
        for subject, plot in _plots(list(found)).items()
    }


def _plots(rows: Sequence[Row]) -> dict[str, str]:
    histogram = _summed(rows, "histogram", "least")
    if not histogram:
        return {"records": _funnel(rows)}
    languages = {code or "unclear": count for code, count in _summed(rows, "languages", "language").items()}
    return {
        "records": _funnel(rows),
        "lengths": _lengths(histogram),
        "languages": _bars("languages of a sample", _top(languages, MAX_BARS), BLUE),
    }


def _summed(rows: Sequence[Row], column: str, key: str) -> Counter[Any]:
    counts: Counter[Any] = Counter()
    for item in (item for row in rows for item in row.get(column, ())):
        counts[item[key]] += item["count"]
    return counts


def _reasons(rows: Sequence[Row]) -> Counter[Any]:
    return _summed(rows, "rejected", "reason")


def _top(counts: Mapping[str, int], most: int) -> list[tuple[str, int]]:
    """The largest first; those beyond `most` together."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if len(ordered) <= most:
        return ordered
    rest = ordered[most - 1 :]
    return [*ordered[: most - 1], (f"in {len(rest)} others", sum(count for _, count in rest))]


def _funnel(rows: Sequence[Row]) -> str:
    rejected = _reasons(rows)
    kept = sum(row["kept"] for row in rows)
    entered = kept + rejected.total()
    bars = [("kept", kept), *_top(rejected, MAX_BARS - 1)]
    return _bars(f"{entered:,} records", bars, RED, first=BLUE, whole=entered)


def _bars(title: str, bars: Bars, colour: str, *, first: str = "", whole: int = 0) -> str:
    """Horizontal bars, of which the first may have a colour of its own; the longest is `whole`."""
    longest = whole or max((count for _, count in bars), default=1)
    lengths = [max(round(BAR * count / max(longest, 1)), min(count, 1)) for _, count in bars]
    drawn = [f"M0 {LINE * place + 6}h{length}v9H0" for place, length in enumerate(lengths, start=1)]
    paths = [(first, drawn[:1]), (colour, drawn[1:])] if first else [(colour, drawn)]
    texts = [
        _text(length + GAP, LINE * (place + 1) - 1, f"{count:,} {_inert(name)}")
        for place, (length, (name, count)) in enumerate(zip(lengths, bars, strict=True), start=1)
    ]
    return "".join([_text(0, LINE - 1, title), *(_path(fill, "".join(path)) for fill, path in paths), *texts])


def _lengths(histogram: Mapping[int, int]) -> str:
    """Steps over the powers of two, from the shortest to the longest."""
    first, last = (least.bit_length() for least in (min(histogram), max(histogram)))
    counts = [histogram.get(1 << power >> 1, 0) for power in range(first, last + 1)]
    high, width = max(counts), WIDTH // max(len(counts), 8)
    tops = [HEIGHT - LINE - round((HEIGHT - 2 * LINE - GAP) * count / high) for count in counts]
    steps = "".join(f"V{top}h{width}" for top in tops)
    end = width * len(counts)
    return "".join(
        [
            _text(0, LINE - 1, "characters per record"),
            _path(BLUE, f"M0 {HEIGHT - LINE}{steps}V{HEIGHT - LINE}"),
            _text(0, HEIGHT - 2, _short(min(histogram))),
            _text(end - GAP, HEIGHT - 2, _short(1 << last)),
        ]
    )


def _short(number: int) -> str:
    """A power of two as people say it."""
    for power, unit in ((30, "G"), (20, "M"), (10, "k")):
        if number >= 1 << power:
            return f"{number >> power}{unit}"
    return str(number)


def _path(fill: str, drawn: str) -> str:
    return f'<path fill="{fill}" d="{drawn}"/>' if drawn else ""


def _text(x: int, y: int, text: str) -> str:
    return f'<text x="{x}" y="{y}">{text}</text>'


def _image(plot: str) -> str:
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}"'
        f' font-family="sans-serif" font-size="12" fill="{GREY}">{plot}</svg>'
    )
    return f"![](data:image/svg+xml;base64,{b64encode(svg.encode()).decode()})"


def _inert(name: str) -> str:
    """A name that neither markdown nor XML can take for anything else, whoever chose it."""
    return re.sub(r"[^\w -]", "?", name)[:MAX_LABEL]
