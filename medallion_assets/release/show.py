"""Audits and diffs as people read them in a terminal, and as JSON.

Belongs here: words. Does not: finding anything out (audit.py, diff.py). Texts that others chose may hold
control characters; inert() makes them harmless.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from medallion_assets.inert import inert
from medallion_assets.release.audit import Audit
from medallion_assets.release.diff import Diff, Moved
from medallion_assets.release.differences import Difference
from medallion_assets.release.drift import Drift
from medallion_assets.release.errors import MAX_LISTED
from medallion_assets.trace.show import as_json as trace_json

MAX_CHARACTERS = 80
WHY = {
    "outside": "landed outside of the dates of {other}",
    "export": "its export is not part of {other}",
    "changed": "{other} has another record in its place",
}


def as_json(answer: Audit | Diff) -> str:
    """Everything there is to say; an audit also whether it passed."""
    found: dict[str, Any] = msgspec.to_builtins(answer)
    if isinstance(answer, Audit):
        found["passed"] = answer.passed
    return trace_json(found)


def audit_lines(audit: Audit) -> Iterator[str]:
    yield f"release {audit.name}  {audit.release_id}"
    if audit.passed:
        yield f"passed: {audit.files} files are as released, and {audit.exports} exports lead to them"
    else:
        yield f"FAILED: {_counted(len(audit.differences))}"
    if audit.skipped:
        yield f"not built again: {inert(audit.skipped)}"
    for difference in audit.differences:
        yield from _difference(difference)
    if audit.drifts:
        same = " (the release was built with what it pins, and came out the same)" if audit.passed else ""
        yield f"different today{same}:"
        yield from _drifts(audit.drifts)


def diff_lines(diff: Diff) -> Iterator[str]:
    yield f"from {diff.before} to {diff.after}"
    for recipe in diff.recipes:
        changed = f", {recipe.tokens_changed:,} of them with other tokens" if recipe.tokens_changed else ""
        yield f"{recipe.recipe}: {recipe.stayed:,} records in both{changed}"
        yield from _moves("+", recipe.came, diff.before)
        yield from _moves("-", recipe.went, diff.after)
    for names, release in ((diff.only_before, diff.before), (diff.only_after, diff.after)):
        if names:
            yield f"only in {release}: {', '.join(names)}"
    for sign, exports in (("+", diff.exports_added), ("-", diff.exports_gone)):
        listed = (
            f"{sign} export {e.source} {e.landing_date} {inert(e.file)}: {e.rows:,} records" for e in exports
        )
        yield from _first(list(listed))
    if diff.pins:
        yield "pins:"
        yield from _drifts(diff.pins)


def _counted(differences: int) -> str:
    return f"{differences} difference{'' if differences == 1 else 's'}" if differences else "can't be told"


def _difference(found: Difference) -> Iterator[str]:
    yield f"  {found.cause}: {inert(found.where)}: {inert(found.what)}"
    if place := found.location:
        named = (("row", place.row), ("column", place.column), ("record", place.record_id))
        parts = [f"{name} {value}" for name, value in named if value is not None]
        yield f"    {inert(', '.join([*parts, place.what]))}"


def _drifts(drifts: Sequence[Drift]) -> Iterator[str]:
    for cause in dict.fromkeys(each.cause for each in drifts):
        changes = (
            (inert(each.what), _short(each.then), _short(each.now)) for each in drifts if each.cause == cause
        )
        yield from _first([f"{cause}: {what}: {then} then, {now} now" for what, then, now in changes])


def _short(value: str) -> str:
    return inert(value if len(value) <= MAX_CHARACTERS else f"{value[:MAX_CHARACTERS]}…")


def _moves(sign: str, moves: Sequence[Moved], other: str) -> Iterator[str]:
    for each in moves:
        why = WHY.get(each.why, "").format(other=other)
        if each.why == "rejected":
            why = f"{other} rejects it: {each.reason} ({each.stage}, {each.table})"
        yield f"  {sign} {each.records:,} of {each.source}: {inert(why)}; {', '.join(each.examples)}"


def _first(lines: Sequence[str]) -> Iterator[str]:
    yield from (f"  {line}" for line in lines[:MAX_LISTED])
    if len(lines) > MAX_LISTED:
        yield f"  and {len(lines) - MAX_LISTED} more"
