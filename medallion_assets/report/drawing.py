"""Small plots as SVG in data URIs, for markdown that the UI shows inline.

Belongs here: shapes, sizes and colours. Does not: what is drawn (plots.py).
The UI folds markdown of 1,000 characters and more, so every byte of a plot counts; it draws images in its
light and its dark theme, so colours are of middle lightness and there is no background.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence

Bars = Sequence[tuple[str, int]]

MAX_NAME = 40
# In pixels.
LINE, GAP, MARGIN = 15, 5, 30
WIDTH, BAR, STEPS = 400, 120, 55
GREY, BLUE, RED = "#888", "#48d", "#d64"


def bars(title: str, counts: Bars, *, whole: int = 0, first: str = BLUE, others: str = BLUE) -> str:
    """Horizontal, the `first` and the `others` in their colours; the longest possible is `whole`."""
    longest = whole or max((count for _, count in counts), default=0)
    lengths = [_length(count, longest, BAR) for _, count in counts]
    drawn = [f"M0 {LINE * place + 6}h{length}v9H0" for place, length in enumerate(lengths, start=1)]
    labels = [
        _text(length + GAP, LINE * (place + 1) - 1, f"{count:,} {inert_name(name)}")
        for place, (length, (name, count)) in enumerate(zip(lengths, counts, strict=True), start=1)
    ]
    paths = _path(first, "".join(drawn[:1])) + _path(others, "".join(drawn[1:]))
    return _image(LINE * (len(counts) + 1) + GAP, _text(0, LINE - 1, title) + paths + "".join(labels))


def steps(title: str, histogram: Mapping[int, int]) -> str:
    """Counts by powers of two, from the shortest to the longest."""
    first, last = (least.bit_length() for least in (min(histogram), max(histogram)))
    counts = [histogram.get(1 << power >> 1, 0) for power in range(first, last + 1)]
    return columns(title, counts, (_short(min(histogram)), _short(1 << last)))


def columns(title: str, counts: Sequence[int], ends: tuple[str, str]) -> str:
    """Vertical, side by side, with what is at either end."""
    width, floor = (WIDTH - MARGIN) // max(len(counts), 8), LINE + GAP + STEPS
    tops = (floor - _length(count, max(counts), STEPS) for count in counts)
    path = f"M0 {floor}{''.join(f'V{top}h{width}' for top in tops)}V{floor}"
    places = (0, width * len(counts) - GAP)
    labels = (_text(x, floor + LINE - 2, end) for x, end in zip(places, ends, strict=True))
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


def inert_name(name: str) -> str:
    """A name that neither markdown nor XML can take for anything else, whoever chose it."""
    return re.sub(r"[^\w -]", "?", name)[:MAX_NAME]
