"""What a unit kept gives no evaluation away.

Belongs here: the verdicts on a day against what was kept of it, and a look that does not trust them. Does
not: the rules (curate/decontaminate/). Where there are no verdicts on the day as it is, everything kept is
judged here. Else none of those kept may have been judged bad; and of a few items and records, chosen anew
with each content, none may stand in the other word for word: that look shares nothing with the index of runs,
and what it finds is contaminated by any rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from medallion_assets.checks.finding import PARTITION, Fault, Finding
from medallion_assets.curate.decontaminate.index import EvalIndex
from medallion_assets.curate.decontaminate.match import contamination
from medallion_assets.curate.decontaminate.rules import NGRAMS
from medallion_assets.curate.decontaminate.stages import TEXTS, ContaminationStage
from medallion_assets.curate.stage import UnitStage
from medallion_assets.schemas import EVAL_INDEX, ORIGIN_AND_ID
from medallion_assets.storage.still import StillStore
from medallion_assets.storage.store import PartitionStore
from medallion_assets.text.compared import PARTS, text_of

# How much is looked at word for word: 40 ms for long records.
MOST_PARTITIONS, MOST_RECORDS, MOST_ITEMS = 8, 64, 1_000
JUDGED, UNJUDGED, WORD_FOR_WORD = "the verdict on it", "no verdict; judged now", "word for word"
Row = dict[str, Any]


def kept_contamination(
    unit: UnitStage, stage: ContaminationStage, store: PartitionStore, keys: Sequence[str]
) -> Finding:
    """Records that these partitions keep although they give items away."""
    kept = _Kept(unit, stage, StillStore(store))
    looked_at = set(Random(" ".join(keys)).sample(keys, min(len(keys), MOST_PARTITIONS)))  # noqa: S311  # a sample, no secret
    faults: list[Fault] = []
    judged_here = 0
    for key in keys:
        if kept.has_verdicts(key):
            found = [*kept.judged_bad(key), *(kept.word_for_word(key) if key in looked_at else [])]
        else:
            judged_here += 1
            found = list(kept.judged_now(key))
        faults += [{PARTITION: key, **fault} for fault in found]
    return Finding.of(len(keys), faults, judged_now=judged_here, looked_into=len(looked_at))


class _Kept:
    """What a unit kept of each day, and the newest evaluation items."""

    def __init__(self, unit: UnitStage, stage: ContaminationStage, store: StillStore) -> None:
        self._unit, self._stage, self._store = unit, stage, store

    def has_verdicts(self, key: str) -> bool:
        """On the day as it is, by the items as they are."""
        manifest = self._store.manifest(self._stage.table, key)
        return manifest is not None and manifest.digests == self._stage.build(self._store, key).digests()

    def judged_bad(self, key: str) -> Iterator[Fault]:
        manifest = self._store.manifest(self._stage.table, key)
        if manifest is None or not manifest.rows:
            return
        verdicts = [row for batch in self._store.batches(self._stage.table, key) for row in batch.to_pylist()]
        names = {row["record_id"] for row in verdicts}
        kept: set[str] = set()
        for batch in self._store.batches(self._unit.table, key, ["record_id"]):
            column = batch.column("record_id")
            kept.update(column.filter(pc.is_in(column, pa.array(names, pa.string()))).to_pylist())
        yield from (_fault(row, JUDGED) for row in verdicts if row["record_id"] in kept)

    def judged_now(self, key: str) -> Iterator[Fault]:
        """By the rules, against the newest items: for a day that was not judged, or not as it is."""
        for batch in self._store.batches(self._unit.table, key, self._columns):
            rows = pa.Table.from_batches([batch])
            found = contamination(rows, self._unit.unit, self._index)
            yield from (_fault(row, UNJUDGED) for row in found.to_pylist())

    def word_for_word(self, key: str) -> Iterator[Fault]:
        """A few records, and a few items that are long enough to tell."""
        manifest = self._store.manifest(self._unit.table, key)
        chance = Random(manifest.content_hash if manifest else "")  # noqa: S311  # a sample, no secret
        items = chance.sample(self._items, min(len(self._items), MOST_ITEMS))
        rows = self._some_rows(key, chance)
        texts = [_plain(text) for text in text_of(rows, self._unit.unit, PARTS[self._unit.unit]).to_pylist()]
        everything = "\n".join(texts)
        for item in items:
            if item["text"] in everything:
                for row, text in zip(rows.select(ORIGIN_AND_ID).to_pylist(), texts, strict=True):
                    if _stands_in(item["text"], text):
                        yield _fault({**row, **item}, WORD_FOR_WORD)

    def _some_rows(self, key: str, chance: Random) -> pa.Table:
        """Neighbours, anywhere in the partition."""
        [path] = self._store.paths(self._unit.table, key)
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            groups = file.num_row_groups
            if not groups:
                return self._unit.table.schema.table([])
            group = file.read_row_group(chance.randrange(groups), columns=list(self._columns))
        return group.slice(chance.randrange(max(1, group.num_rows - MOST_RECORDS + 1)), MOST_RECORDS)

    @property
    def _columns(self) -> tuple[str, ...]:
        return (*ORIGIN_AND_ID, *TEXTS[self._unit.unit])

    @cached_property
    def _indexed(self) -> pa.Table:
        newest = self._store.keys(self._stage.index)[-1:]
        batches = (batch for day in newest for batch in self._store.batches(self._stage.index, day))
        return pa.Table.from_batches(batches, EVAL_INDEX.arrow)

    @cached_property
    def _index(self) -> EvalIndex:
        return EvalIndex.of(self._indexed, self._stage.rules)

    @cached_property
    def _items(self) -> list[Row]:
        found = self._indexed.filter(pc.equal(self._indexed.column("matched_by"), NGRAMS))
        rows = found.select(["eval_set", "item_id", "item", "field", "text"]).to_pylist()
        return [{**row, "text": _plain(row["text"])} for row in rows]


def _plain(text: str) -> str:
    return " ".join(text.split())


def _stands_in(item: str, text: str) -> bool:
    """Whole words alone: within others it is another text."""
    return re.search(rf"(?<!\w){re.escape(item)}(?!\w)", text) is not None


def _fault(row: Mapping[str, Any], known_by: str) -> Fault:
    names = ("source", "record_id", "eval_set", "item_id", "item", "field")
    return {**{name: row[name] for name in names}, "known_by": known_by}
