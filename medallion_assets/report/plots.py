"""Profiles as the UI shows them: markdown tables and small plots, drawn as SVG in data URIs.

Belongs here: shapes, sizes and colours. Does not: any number's meaning (profile.py) or Dagster (assets/).
The UI folds markdown of 1,000 characters and more, so every byte of a plot counts; it draws images in its
light and its dark theme, so colours are of middle lightness and there is no background.
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

MAX_BARS, MAX_REASONS, MAX_NAME = 5, 3, 40
NO_BREAK = "\u00a0"
# In pixels.
LINE, GAP, MARGIN = 15, 5, 30
WIDTH, BAR, STEPS = 400, 120, 55
GREY, BLUE, RED = "#888", "#48d", "#d64"


def markdown_of(rows: Iterable[Row]) -> dict[str, str]:
    """By unit and subject: what became of the records of each source, their lengths and their languages."""
    by_unit = groupby(sorted(rows, key=itemgetter("unit", "source")), key=itemgetter("unit"))
    return {
        f"{unit}{subject}": markdown
        for unit, found in by_unit
        for subject, markdown in _subjects(list(found)).items()
    }


def _subjects(rows: Sequence[Row]) -> dict[str, str]:
    counted = {"": _count_table(rows), " records": _funnel(rows)}
    histogram = _summed(rows, "histogram", "least")
    if not histogram:
        return counted
    languages = _summed(rows, "languages", "language")
    named = {code or "unclear": count for code, count in languages.items()}
    return {
        **counted,
        " lengths": f"{_steps('characters per record', histogram)}\n\n{_figure_table(rows)}",
        " languages": _bars("languages of a sample", _top(named, MAX_BARS)),
    }


def _count_table(rows: Sequence[Row]) -> str:
    lines = [
        [_inert(row["source"]), *(_number(row[name]) for name in ("landed", "conformed", "kept")), _why(row)]
        for row in rows
    ]
    return _table(["source", "landed", "conformed", "kept", "rejected"], lines, numbers=3)


def _why(row: Row) -> str:
    reasons = _top(_summed([row], "rejected", "reason"), MAX_REASONS)
    return ", ".join(f"{count:,} {_inert(reason)}".replace(" ", NO_BREAK) for reason, count in reasons)


def _figure_table(rows: Sequence[Row]) -> str:
    names = [name for name in ("characters", "words", "tokens") if any(row[name] for row in rows)]
    lines = [
        [_inert(row["source"]), *(_quantiles(row[name]) for name in names), f"{row['turns']['mean']:.1f}"]
        for row in rows
        if row["kept"]
    ]
    return _table(["p50 / p95", *names, "turns"], lines, numbers=len(names) + 1)


def _quantiles(figures: Mapping[str, int] | None) -> str:
    return f"{_number(figures['p50'])} / {_number(figures['p95'])}" if figures else ""


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _table(heading: Sequence[str], lines: Sequence[Sequence[str]], *, numbers: int) -> str:
    """With so many columns of numbers after the first."""
    rule = ["-", *["-:"] * numbers, *["-"] * (len(heading) - numbers - 1)]
    return "\n".join(f"|{'|'.join(line)}|" for line in (heading, rule, *lines))


def _summed(rows: Sequence[Row], column: str, key: str) -> Counter[Any]:
    counts: Counter[Any] = Counter()
    for item in (item for row in rows for item in row.get(column, ())):
        counts[item[key]] += item["count"]
    return counts


def _top(counts: Mapping[str, int], most: int) -> list[tuple[str, int]]:
    """The largest first; those beyond `most` together."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if len(ordered) <= most:
        return ordered
    rest = ordered[most - 1 :]
    return [*ordered[: most - 1], (f"in {len(rest)} others", sum(count for _, count in rest))]


def _funnel(rows: Sequence[Row]) -> str:
    rejected = _summed(rows, "rejected", "reason")
    kept = sum(row["kept"] for row in rows)
    entered = kept + rejected.total()
    bars = [("kept", kept), *_top(rejected, MAX_BARS - 1)]
    return _bars(f"{entered:,} records", bars, whole=entered, others=RED)


def _bars(title: str, bars: Bars, *, whole: int = 0, others: str = BLUE) -> str:
    """Horizontal bars, all but the first in the colour of the `others`; the longest possible is `whole`."""
    longest = whole or max((count for _, count in bars), default=0)
    lengths = [_length(count, longest, BAR) for _, count in bars]
    drawn = [f"M0 {LINE * place + 6}h{length}v9H0" for place, length in enumerate(lengths, start=1)]
    labels = [
        _text(length + GAP, LINE * (place + 1) - 1, f"{count:,} {_inert(name)}")
        for place, (length, (name, count)) in enumerate(zip(lengths, bars, strict=True), start=1)
    ]
    paths = _path(BLUE, "".join(drawn[:1])) + _path(others, "".join(drawn[1:]))
    return _image(LINE * (len(bars) + 1) + GAP, _text(0, LINE - 1, title) + paths + "".join(labels))


def _steps(title: str, histogram: Mapping[int, int]) -> str:
    """Counts by powers of two, from the shortest to the longest."""
    first, last = (least.bit_length() for least in (min(histogram), max(histogram)))
    counts = [histogram.get(1 << power >> 1, 0) for power in range(first, last + 1)]
    width, floor = (WIDTH - MARGIN) // max(len(counts), 8), LINE + GAP + STEPS
    tops = (floor - _length(count, max(counts), STEPS) for count in counts)
    path = f"M0 {floor}{''.join(f'V{top}h{width}' for top in tops)}V{floor}"
    ends = ((0, min(histogram)), (width * len(counts) - GAP, 1 << last))
    labels = (_text(x, floor + LINE - 2, _short(end)) for x, end in ends)
    return _image(floor + LINE, _text(0, LINE - 1, title) + _path(BLUE, path) + "".join(labels))


def _length(count: int, most: int, room: int) -> int:
    """Whatever is there can be seen."""
    return max(round(room * count / max(most, 1)), min(count, 1))


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


def _image(height: int, drawn: str) -> str:
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
        f' font-family="sans-serif" font-size="12" fill="{GREY}">{drawn}</svg>'
    )
    return f"![](data:image/svg+xml;base64,{b64encode(svg.encode()).decode()})"


def _inert(name: str) -> str:
    """A name that neither markdown nor XML can take for anything else, whoever chose it."""
    return re.sub(r"[^\w -]", "?", name)[:MAX_NAME]
