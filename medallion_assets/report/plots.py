"""Partitions as the UI shows them: markdown tables and small plots.

Belongs here: which numbers are shown together. Does not: what they mean (profile.py, shapes.py), how a
plot is drawn (drawing.py) or Dagster (assets/).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from medallion_assets.report.drawing import RED, bars, columns, inert_name, steps
from medallion_assets.report.shapes import FILL_STEPS, Shapes

Row = Mapping[str, Any]  # of PROFILE, or of its counts only

MAX_BARS, MAX_REASONS = 5, 3
NO_BREAK = "\u00a0"


def markdown_of(rows: Iterable[Row]) -> dict[str, str]:
    """By unit and subject: what became of the records of each source, their lengths and their languages."""
    by_unit = groupby(sorted(rows, key=itemgetter("unit", "source")), key=itemgetter("unit"))
    return {
        f"{unit}{subject}": markdown
        for unit, found in by_unit
        for subject, markdown in _subjects(list(found)).items()
    }


def funnel(kept: int, rejected: Mapping[str, int]) -> str:
    """What became of the records that came in."""
    entered = kept + sum(rejected.values())
    drawn = [("kept", kept), *top(rejected, MAX_BARS - 1)]
    return bars(f"{entered:,} records", drawn, whole=entered, others=RED)


def duplicates(by_source: Mapping[str, int]) -> str:
    """How many records each source repeated of its own or of another's."""
    drawn = top({source: count for source, count in by_source.items() if count}, MAX_BARS)
    return bars(f"{sum(by_source.values()):,} duplicates", drawn, first=RED, others=RED)


def packaged(shapes: Shapes) -> dict[str, str]:
    """By subject; nothing where nothing was packaged."""
    drawn = {}
    if shapes.lengths:
        count = sum(shapes.lengths.values())
        drawn["token_lengths"] = steps(f"{count:,} documents by tokens", shapes.lengths)
    if shapes.fill:
        counts = [shapes.fill.get(step, 0) for step in range(FILL_STEPS)]
        drawn["bin_fill"] = columns(f"{sum(counts):,} bins by how full they are", counts, ("0%", "100%"))
    return drawn


def _subjects(rows: Sequence[Row]) -> dict[str, str]:
    counted = {"": _count_table(rows), " records": _funnel(rows)}
    histogram = _summed(rows, "histogram", "least")
    if not histogram:
        return counted
    languages = _summed(rows, "languages", "language")
    named = {code or "unclear": count for code, count in languages.items()}
    return {
        **counted,
        " lengths": f"{steps('characters per record', histogram)}\n\n{_figure_table(rows)}",
        " languages": bars("languages of a sample", top(named, MAX_BARS)),
    }


def _count_table(rows: Sequence[Row]) -> str:
    lines = [
        [
            inert_name(row["source"]),
            *(number(row[name]) for name in ("landed", "conformed", "kept")),
            _why(row),
        ]
        for row in rows
    ]
    return table(["source", "landed", "conformed", "kept", "rejected"], lines, numbers=3)


def _why(row: Row) -> str:
    reasons = top(_summed([row], "rejected", "reason"), MAX_REASONS)
    return ", ".join(f"{count:,} {inert_name(reason)}".replace(" ", NO_BREAK) for reason, count in reasons)


def _figure_table(rows: Sequence[Row]) -> str:
    names = [name for name in ("characters", "words", "tokens") if any(row[name] for row in rows)]
    lines = [
        [inert_name(row["source"]), *(_quantiles(row[name]) for name in names), f"{row['turns']['mean']:.1f}"]
        for row in rows
        if row["kept"]
    ]
    return table(["p50 / p95", *names, "turns"], lines, numbers=len(names) + 1)


def _quantiles(figures: Mapping[str, int] | None) -> str:
    return f"{number(figures['p50'])} / {number(figures['p95'])}" if figures else ""


def number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def table(heading: Sequence[str], lines: Sequence[Sequence[str]], *, numbers: int) -> str:
    """With so many columns of numbers after the first."""
    rule = ["-", *["-:"] * numbers, *["-"] * (len(heading) - numbers - 1)]
    return "\n".join(f"|{'|'.join(line)}|" for line in (heading, rule, *lines))


def _summed(rows: Sequence[Row], column: str, key: str) -> Counter[Any]:
    counts: Counter[Any] = Counter()
    for item in (item for row in rows for item in row.get(column, ())):
        counts[item[key]] += item["count"]
    return counts


def top(counts: Mapping[str, int], most: int) -> list[tuple[str, int]]:
    """The largest first; those beyond `most` together."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if len(ordered) <= most:
        return ordered
    rest = ordered[most - 1 :]
    return [*ordered[: most - 1], (f"in {len(rest)} others", sum(count for _, count in rest))]


def _funnel(rows: Sequence[Row]) -> str:
    return funnel(sum(row["kept"] for row in rows), _summed(rows, "rejected", "reason"))
