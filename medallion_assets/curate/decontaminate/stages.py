"""The stages of decontamination: the index of all evaluation sets as of a day, and what each day gives away.

Belongs here: which partitions they read, and their digests. Does not: any judgement (rules.py, match.py).
A day's records are held against the newest index, so a set that lands later is missed by no record; the
unit's table reads the verdicts alone and becomes stale only where one of them changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import pyarrow as pa

from medallion_assets.curate.decontaminate.index import EvalIndex
from medallion_assets.curate.decontaminate.match import contamination
from medallion_assets.curate.decontaminate.rules import NOTHING, Rules, index_rows
from medallion_assets.schemas import (
    CONTAMINATION,
    EVAL_INDEX,
    ORIGIN_AND_ID,
    PREFERENCE_UNIT,
    PROMPT_UNIT,
    ROLLOUT_UNIT,
    SFT_UNIT,
)
from medallion_assets.stage import code_digest, later_partitions, other_partitions
from medallion_assets.storage.manifest import Digests, digest_of
from medallion_assets.storage.parts import read_batches
from medallion_assets.storage.store import Build, PartitionStore, PartitionWriter, Table

CODE = ("medallion_assets.curate.decontaminate", "medallion_assets.schemas", "medallion_assets.text")
LIBRARIES = ("msgspec", "numpy", "pyarrow")
# The columns that hold a unit's texts.
TEXTS = {
    SFT_UNIT: ("messages", "tools"),
    PREFERENCE_UNIT: ("prompt", "chosen", "rejected", "tools"),
    PROMPT_UNIT: ("prompt", "ground_truth", "tools"),
    ROLLOUT_UNIT: ("prompt", "completion"),
}


@dataclass(frozen=True)
class EvalIndexStage:
    """Makes silver/eval_index from (name, items' table, fields) of each set, as each stood on the day."""

    sets: tuple[tuple[str, Table, tuple[str, ...]], ...]
    rules: Rules

    @property
    def asset_path(self) -> tuple[str, str]:
        return ("silver", EVAL_INDEX.name)

    @property
    def table(self) -> Table:
        return Table(*self.asset_path, EVAL_INDEX)

    @property
    def inputs(self) -> tuple[Table, ...]:
        return tuple(table for _, table, _ in self.sets)

    @cached_property
    def code_version(self) -> str:
        return code_digest(CODE, LIBRARIES)

    @cached_property
    def config_version(self) -> str:
        shape = [self.rules.length, self.rules.boilerplate_items]
        return digest_of([[[name, fields[0]] for name, _, fields in self.sets], shape])[:16]

    def due(self, store: PartitionStore) -> set[str]:
        return {key for table in self.inputs for key in store.keys(table)}

    def reach(self, store: PartitionStore, asked: list[str]) -> list[str]:
        return later_partitions(self, store, asked)

    def build(self, store: PartitionStore, key: str) -> Build:
        def digests() -> Digests:
            seen = [[name, _content(store, table, day)] for name, table, _, day in self._newest(store, key)]
            return Digests(inputs=digest_of(seen), code=self.code_version, config=self.config_version)

        def write(writer: PartitionWriter) -> None:
            by_set = {}
            for name, table, question, day in self._newest(store, key):
                items = pa.Table.from_batches(store.batches(table, day), table.schema.arrow)
                rows = index_rows(name, items, question=question, rules=self.rules)
                by_set[name] = _matchable(items.num_rows, rows)
                writer.rows(rows)
            writer.summary["by_eval_set"] = by_set

        return Build(digests, write)

    def _newest(self, store: PartitionStore, key: str) -> Iterator[tuple[str, Table, str, str]]:
        """Of each set, its name, table, first field and newest partition up to the day."""
        for name, table, fields in self.sets:
            if days := [day for day in store.keys(table) if day <= key]:
                yield name, table, fields[0], days[-1]


def _matchable(items: int, rows: pa.Table) -> dict[str, int]:
    """How many items there are, and how many texts of each fate: some are too short to say anything."""
    fates = Counter(rows.column("matched_by").to_pylist())
    return {"items": items, "texts": rows.num_rows, "unmatchable_texts": fates[NOTHING]}


@dataclass(frozen=True)
class ContaminationStage:
    """Makes silver/<unit>_contamination from the (source, conformed table) pairs of a unit, day by day."""

    unit: str
    conformed: tuple[tuple[str, Table], ...]
    index: Table
    rules: Rules

    @property
    def asset_path(self) -> tuple[str, str]:
        return ("silver", f"{self.unit}_contamination")

    @property
    def table(self) -> Table:
        return Table(*self.asset_path, CONTAMINATION)

    @property
    def inputs(self) -> tuple[Table, ...]:
        return (*(table for _, table in self.conformed), self.index)

    @cached_property
    def code_version(self) -> str:
        return code_digest(CODE, LIBRARIES)

    @cached_property
    def config_version(self) -> str:
        return digest_of([[source for source, _ in self.conformed], asdict(self.rules)])[:16]

    def due(self, store: PartitionStore) -> set[str]:
        return {key for _, table in self.conformed for key in store.keys(table)}

    def reach(self, store: PartitionStore, asked: list[str]) -> list[str]:
        """All days look at the newest index."""
        return other_partitions(self, store, asked)

    def build(self, store: PartitionStore, key: str) -> Build:
        def digests() -> Digests:
            rows = [[source, _content(store, table, key)] for source, table in self.conformed]
            index = [_content(store, self.index, day) for day in store.keys(self.index)[-1:]]
            return Digests(
                inputs=digest_of([rows, index]), code=self.code_version, config=self.config_version
            )

        return Build(digests, lambda writer: self._write(store, key, writer))

    def _write(self, store: PartitionStore, key: str, writer: PartitionWriter) -> None:
        index = self._index(store)
        by_set: Counter[str] = Counter()
        records = 0
        for _, table in self.conformed:
            for found in self._found(store, table, key, index):
                writer.rows(found)
                records += len(found.column("row").unique())
                by_set.update(found.column("eval_set").to_pylist())
        writer.summary |= {"contaminated": records, "by_eval_set": dict(sorted(by_set.items()))}

    def _index(self, store: PartitionStore) -> EvalIndex:
        newest = store.keys(self.index)[-1:]
        paths = [path for day in newest for path in store.paths(self.index, day)]
        return _loaded(tuple(paths), self.rules)

    def _found(self, store: PartitionStore, table: Table, key: str, index: EvalIndex) -> Iterator[pa.Table]:
        first = 0
        if store.manifest(table, key) is None:
            return
        for batch in store.batches(table, key, (*ORIGIN_AND_ID, *TEXTS[self.unit])):
            yield contamination(pa.Table.from_batches([batch]), self.unit, index, first=first)
            first += batch.num_rows


@lru_cache(maxsize=2)
def _loaded(paths: tuple[Path, ...], rules: Rules) -> EvalIndex:
    """Kept for the partitions to come. Parts are named by their content, so the paths say what is in them."""
    return EvalIndex.of(pa.Table.from_batches(read_batches(paths), EVAL_INDEX.arrow), rules)


def _content(store: PartitionStore, table: Table, key: str) -> str | None:
    """Which rows there are; an empty partition is as good as none."""
    manifest = store.manifest(table, key)
    return manifest.content_hash if manifest is not None and manifest.rows else None
