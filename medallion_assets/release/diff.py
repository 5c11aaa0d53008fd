"""What came into a release since another, what went out, and why: by record id, from the two ledgers.

Belongs here: the comparison, in DuckDB on ids. Does not: wording (show.py). Both releases hold all it takes,
so it needs no store.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medallion_assets.release.drift import (
    Drift,
    code_drift,
    configuration_drift,
    library_drift,
    tokenizer_drift,
)
from medallion_assets.release.errors import NoRelease
from medallion_assets.release.manifest import PinnedExport, Release
from medallion_assets.storage.duck import connect

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SHOWN_IDS = 5
READ = "read_parquet(${name}, hive_partitioning = false)"
WHY = "{'stage': stage, 'reason': reason, 'rejected_by': rejected_by}"
# Records of one side that the other does not hold. Over there they fell out, by their id or before they had
# one by their place, or they never came by. That a twin fell out says less than where the record itself was.
MOVED = f"""
WITH here AS (
    SELECT DISTINCT record_id, source, landing_date, export_sha256, record_number
    FROM {READ.format(name="here")} WHERE split IS NOT NULL
), there AS (
    SELECT record_id, bool_or(split IS NOT NULL) AS held,
        min({{'twin': reason = 'exact_duplicate', 'why': {WHY}}}) FILTER (split IS NULL) AS fate
    FROM {READ.format(name="there")} WHERE record_id IS NOT NULL GROUP BY record_id
), nameless AS (
    SELECT source, export_sha256, record_number, min({WHY}) AS fate
    FROM {READ.format(name="there")} WHERE record_id IS NULL GROUP BY ALL
), fates AS (
    SELECT here.*, coalesce(there.fate.why, nameless.fate) AS fate, coalesce(there.fate.twin, false) AS twin
    FROM here LEFT JOIN there USING (record_id)
    LEFT JOIN nameless USING (source, export_sha256, record_number)
    WHERE NOT coalesce(held, false)
)
SELECT source, CASE
        WHEN fate IS NOT NULL AND NOT twin THEN 'rejected'
        WHEN landing_date NOT BETWEEN $first::DATE AND $last::DATE THEN 'outside'
        WHEN NOT list_contains($exports, export_sha256) THEN 'export'
        WHEN twin THEN 'rejected'
        ELSE 'changed'
    END AS why,
    if(why = 'rejected', fate.stage, '') AS stage,
    if(why = 'rejected', fate.reason, '') AS reason,
    if(why = 'rejected', fate.rejected_by, '') AS rejected_by,
    count(*) AS records, min(record_id, {SHOWN_IDS}) AS examples
FROM fates GROUP BY ALL ORDER BY records DESC, source, why, stage, reason, rejected_by
"""
KEPT = f"""
SELECT count(*), count(*) FILTER (before.tokens IS DISTINCT FROM after.tokens)
FROM (SELECT record_id, sum(tokens) AS tokens FROM {READ.format(name="here")} WHERE split IS NOT NULL
    GROUP BY record_id) AS before
JOIN (SELECT record_id, sum(tokens) AS tokens FROM {READ.format(name="there")} WHERE split IS NOT NULL
    GROUP BY record_id) AS after USING (record_id)
"""


@dataclass(frozen=True)
class Moved:
    """Records of one source that one release holds and the other does not, and why it does not.

    `why`: rejected there, by `table` with stage and reason; outside of its landing dates; export, which is
    none of those that it was made of; changed, another record came of the same place.
    """

    source: str
    why: str
    stage: str
    reason: str
    table: str
    records: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class RecipeDiff:
    """`tokens_changed` are records of both that have another number of tokens."""

    recipe: str
    came: tuple[Moved, ...]
    went: tuple[Moved, ...]
    stayed: int
    tokens_changed: int


@dataclass(frozen=True)
class Diff:
    """Two releases, record by record and pin by pin; recipes that only one of them has are named."""

    before: str
    after: str
    recipes: tuple[RecipeDiff, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    exports_added: tuple[PinnedExport, ...]
    exports_gone: tuple[PinnedExport, ...]
    pins: tuple[Drift, ...]


def diff(before: Release, after: Release) -> Diff:
    """Raises NoRelease where the two have no recipe in common."""
    then, now = before.manifest, after.manifest
    common = [recipe for recipe in then.recipes if recipe in now.recipes]
    if not common:
        raise NoRelease(
            f"{then.name} ({', '.join(then.recipes)}) and {now.name} ({', '.join(now.recipes)}) have no "
            "recipe in common"
        )
    exports_then = {(each.source, each.sha256): each for each in then.exports}
    exports_now = {(each.source, each.sha256): each for each in now.exports}
    with tempfile.TemporaryDirectory() as scratch, connect(Path(scratch)) as duck:
        recipes = tuple(_of_recipe(duck, before, after, recipe) for recipe in common)
    return Diff(
        before=then.name,
        after=now.name,
        recipes=recipes,
        only_before=tuple(recipe for recipe in then.recipes if recipe not in common),
        only_after=tuple(recipe for recipe in now.recipes if recipe not in common),
        exports_added=tuple(each for key, each in exports_now.items() if key not in exports_then),
        exports_gone=tuple(each for key, each in exports_then.items() if key not in exports_now),
        pins=tuple(_pins(before, after)),
    )


def _pins(before: Release, after: Release) -> Sequence[Drift]:
    then, now = before.manifest, after.manifest
    identities = {each.recipe: each.identity for each in now.tokenizers}
    return [
        *configuration_drift(then.configuration, now.configuration),
        *tokenizer_drift(then.tokenizers, identities),
        *library_drift(then.environment, now.environment),
        *code_drift(then.environment, now.environment),
    ]


def _of_recipe(duck: DuckDBPyConnection, before: Release, after: Release, recipe: str) -> RecipeDiff:
    ledgers = {"here": str(before.ledger(recipe)), "there": str(after.ledger(recipe))}
    [(stayed, changed)] = duck.execute(KEPT, ledgers).fetchall()
    return RecipeDiff(
        recipe=recipe,
        came=_moved(duck, after, before, recipe),
        went=_moved(duck, before, after, recipe),
        stayed=stayed,
        tokens_changed=changed,
    )


def _moved(duck: DuckDBPyConnection, here: Release, there: Release, recipe: str) -> tuple[Moved, ...]:
    values = {
        "here": str(here.ledger(recipe)),
        "there": str(there.ledger(recipe)),
        "first": there.manifest.first_of(recipe),
        "last": there.manifest.last,
        "exports": [each.sha256 for each in there.manifest.exports],
    }
    rows = duck.execute(MOVED, values).fetchall()
    return tuple(
        Moved(source, why, stage, reason, table, records, tuple(examples))
        for source, why, stage, reason, table, records, examples in rows
    )
