"""The funnel of each table and partition: how many records came in, went on, fell out and why.

Belongs here: the numbers and their plain-text tables. Does not: reading rows; manifests hold the counts.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from medallion_assets.curate.curriculum import CurriculumStage
from medallion_assets.curate.derived import DerivedStage
from medallion_assets.curate.stage import UnitStage
from medallion_assets.schemas import SFT_UNIT
from medallion_assets.stages import EvalStages, PipelineStages
from medallion_assets.storage.manifest import Manifest
from medallion_assets.storage.store import PartitionStore, Table

WIDTH = 150
COUNTS = ("landed", "derived", "conformed", "kept")
Line = tuple[str, ...]


@dataclass(frozen=True)
class Funnel:
    """Records of one partition of a table, `landed` in exports or `derived` from other tables.

    None where the table has no such stage. What came in was kept or rejected; an evaluation set alone also
    keeps what landed earlier.
    """

    table: str
    key: str
    landed: int | None
    derived: int | None
    conformed: int | None
    kept: int
    rejected: Mapping[str, int]


@dataclass(frozen=True)
class PackedFunnel:
    """A unit's funnel, rejects of the recipe included, and what the recipe made of the kept records."""

    unit: Funnel
    bins: int
    tokens: int
    efficiency: float | None


def table_funnels(stages: PipelineStages, store: PartitionStore) -> list[Funnel]:
    """By table and date: units, what was derived for them, evaluation sets, the curriculum. No empty ones."""
    found = [*_units(stages, store), *_derived(stages, store), *_eval_sets(stages, store)]
    if stages.curriculum is not None:
        found += _curriculum(stages.curriculum, store)
    return [each for each in found if each.landed or each.derived or each.kept]


def recipe_funnels(stages: PipelineStages, store: PartitionStore, recipe: str) -> list[PackedFunnel]:
    """One per materialized partition of the recipe, by date."""
    gold = stages.recipes[recipe]
    unit = next(unit for unit in stages.units.values() if unit.table == gold.silver)
    found = []
    for key in store.keys(gold.table):
        packed = store.manifest(gold.table, key)
        summary = packed.summary if packed else {}
        funnel = _of_unit(unit, stages, store, key, also=packed)
        bins, tokens = summary.get("bins", 0), summary.get("tokens", 0)
        found.append(PackedFunnel(funnel, bins, tokens, summary.get("packing_efficiency")))
    return found


def tables_as_text(funnels: Sequence[Funnel]) -> str:
    """For the terminal; a table's name stands at its first partition."""
    named = [each.table for each in funnels]
    lines = [
        ("" if before == each.table else each.table, each.key, *_counts(each), _reasons(each.rejected))
        for before, each in zip(["", *named], funnels, strict=False)
    ]
    return _aligned(("table", "partition", *COUNTS, "rejected"), lines)


def recipe_as_text(funnels: Sequence[PackedFunnel]) -> str:
    """For the terminal."""
    lines = []
    for each in funnels:
        packed = "-" if each.efficiency is None else f"{each.efficiency:.2%}"
        made = (_shown(each.bins), _shown(each.tokens), packed)
        lines.append((each.unit.key, *_counts(each.unit), *made, _reasons(each.unit.rejected)))
    return _aligned(("partition", *COUNTS, "bins", "tokens", "packed", "rejected"), lines)


def gold_as_text(stages: PipelineStages, store: PartitionStore) -> str:
    """For the terminal: the recipes in which a record is a row."""
    lines = []
    for name, gold in stages.recipes.items():
        for key in store.keys(gold.table) if gold.unit != SFT_UNIT else []:
            made = _present(store, [gold.table], key)
            tokens = sum(manifest.summary.get("tokens", 0) for manifest in made)
            lines.append((name, key, _shown(_rows(made)), _shown(tokens), _reasons(_rejected(made))))
    return _aligned(("recipe", "partition", "rows", "tokens", "rejected"), lines)


def _units(stages: PipelineStages, store: PartitionStore) -> Iterator[Funnel]:
    for unit in stages.units.values():
        for key in store.keys(unit.table):
            yield _of_unit(unit, stages, store, key)


def _of_unit(
    unit: UnitStage, stages: PipelineStages, store: PartitionStore, key: str, *, also: Manifest | None = None
) -> Funnel:
    """`also` adds the rejects of a table made from the unit."""
    sources = [source for source in stages.sources if source.config.unit == unit.unit]
    derived = [stage for stage in stages.derived if stage.unit == unit.unit]
    bronze = _present(store, [source.bronze.table for source in sources], key)
    made = _present(store, [stage.table for stage in derived], key)
    conformed = _present(store, unit.conformed_tables, key)
    kept = _present(store, [unit.table], key)
    return Funnel(
        table=unit.unit,
        key=key,
        landed=_rows(bronze) if sources else None,
        derived=_rows(made) + _rejected_rows(made) if derived else None,
        conformed=_rows(conformed),
        kept=_rows(kept),
        rejected=_rejected([*conformed, *kept, *([also] if also else [])]),
    )


def _derived(stages: PipelineStages, store: PartitionStore) -> Iterator[Funnel]:
    for stage in stages.derived:
        yield from _made_by(stage, stage.source, store)


def _made_by(stage: DerivedStage, name: str, store: PartitionStore) -> Iterator[Funnel]:
    for key in store.keys(stage.table):
        made = _present(store, [stage.table], key)
        rows = _rows(made)
        yield Funnel(name, key, None, rows + _rejected_rows(made), None, rows, _rejected(made))


def _eval_sets(stages: PipelineStages, store: PartitionStore) -> Iterator[Funnel]:
    for each in stages.eval_sets:
        yield from _of_eval_set(each, store)


def _of_eval_set(eval_set: EvalStages, store: PartitionStore) -> Iterator[Funnel]:
    table = eval_set.items.table
    for key in store.keys(table):
        landed = _rows(_present(store, [eval_set.bronze.table], key))
        items = _present(store, [table], key)
        yield Funnel(table.name, key, landed, None, None, _rows(items), _rejected(items))


def _curriculum(stage: CurriculumStage, store: PartitionStore) -> Iterator[Funnel]:
    """Each day judges all prompts so far."""
    for key in store.keys(stage.table):
        days = [day for day in store.keys(stage.prompts) if day <= key]
        prompts = sum(_rows(_present(store, [stage.prompts], day)) for day in days)
        judged = _present(store, [stage.table], key)
        yield Funnel(stage.table.name, key, None, prompts, None, _rows(judged), _rejected(judged))


def _present(store: PartitionStore, tables: Sequence[Table], key: str) -> list[Manifest]:
    return [manifest for table in tables if (manifest := store.manifest(table, key))]


def _rows(manifests: Sequence[Manifest]) -> int:
    return sum(manifest.rows for manifest in manifests)


def _rejected_rows(manifests: Sequence[Manifest]) -> int:
    return sum(manifest.rejected_rows for manifest in manifests)


def _rejected(manifests: Sequence[Manifest]) -> Mapping[str, int]:
    found: Counter[str] = Counter()
    for manifest in manifests:
        found.update(manifest.summary.get("rejected", {}))
    return dict(sorted(found.items()))


def _counts(funnel: Funnel) -> Line:
    return tuple(_shown(getattr(funnel, name)) for name in COUNTS)


def _shown(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"


def _reasons(rejected: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in rejected.items()) or "none"


def _aligned(headings: Line, lines: Sequence[Line]) -> str:
    """Numbers to the right, the first column to the left, the last one wrapped."""
    columns = range(len(headings) - 1)
    widths = [max(len(line[column]) for line in (headings, *lines)) for column in columns]
    last = WIDTH - sum(widths) - 2 * len(widths)
    rule = (*("-" * width for width in widths), "-" * len(headings[-1]))
    return "\n".join(text for line in (headings, rule, *lines) for text in _wrapped(line, widths, last))


def _wrapped(line: Line, widths: Sequence[int], last: int) -> Iterator[str]:
    first, *numbers = line[:-1]
    cells = [first.ljust(widths[0])]
    cells += [cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=True)]
    start = "  ".join(cells) + "  "
    for number, part in enumerate(_parts(line[-1], last)):
        yield (start if number == 0 else " " * len(start)) + part


def _parts(text: str, width: int) -> list[str]:
    """Broken after commas only, so that a count stays with its reason."""
    glued = textwrap.wrap(text.replace(" ", "\0").replace(",\0", ", "), width, break_long_words=False)
    return [part.replace("\0", " ") for part in glued]
