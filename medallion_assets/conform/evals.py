"""Evaluation sets: the items of a record, and the partition that holds the newest delivery of each file.

Belongs here: items by dotted path, which export counts, the stage. Does not: comparing anything with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from medallion_assets.conform import fields
from medallion_assets.conform.conform import parsed, reject_row
from medallion_assets.curate.clean import clean_text
from medallion_assets.extract.inventory import undated
from medallion_assets.extract.quarantine import defect_of
from medallion_assets.records import Rejected, content_id
from medallion_assets.schemas import EVAL_ITEMS, ORIGIN, REJECTS
from medallion_assets.stage import code_digest, later_partitions
from medallion_assets.storage.manifest import Digests, Part, digest_of
from medallion_assets.storage.parts import read_batches
from medallion_assets.storage.store import Build, PartitionStore, PartitionWriter, Table

CODE = (
    "medallion_assets.conform.conform",
    "medallion_assets.conform.evals",
    "medallion_assets.conform.fields",
    "medallion_assets.curate.clean",
    "medallion_assets.records",
    "medallion_assets.schemas",
)
Item = list[tuple[str, str]]
Arrival = tuple[str, int, str]  # what sorts deliveries: day, order within the source, SHA-256


def items_of(record: Any, paths: Sequence[str]) -> list[Item]:
    """The record's items, each with its texts by path. A list of objects on the way makes an item of each.

    An item that lacks a text lacks its path; one without any is empty. Raises Rejected where there are none.
    """
    items = _items(record, [(path, path) for path in paths])
    if not items:
        raise Rejected("no_items", f"the lists on the way of {', '.join(map(repr, paths))} are empty")
    return [sorted(item, key=lambda text: paths.index(text[0])) for item in items]


def _items(record: Any, wanted: Sequence[tuple[str, str]]) -> list[Item]:
    """`wanted` pairs each path of the configuration with what of it lies below this record."""
    lists = dict(split for _, path in wanted if (split := _list_on_the_way(record, path)))
    if not lists:
        return [_texts(record, wanted)]
    within = tuple(f"{head}." for head in lists)
    shared = _texts(record, [pair for pair in wanted if not pair[1].startswith(within)])
    return [
        shared + item
        for head, elements in lists.items()
        for each in elements
        for item in _items(each, _below(head, wanted))
    ]


def _below(head: str, wanted: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    within = f"{head}."
    return [(path, rest.removeprefix(within)) for path, rest in wanted if rest.startswith(within)]


def _list_on_the_way(record: Any, path: str) -> tuple[str, list[Any]] | None:
    """The first list that the path goes through without an index, and the path that leads to it."""
    steps = path.split(".")
    for end in range(1, len(steps)):
        head = ".".join(steps[:end])
        value = fields.at(record, head)
        if isinstance(value, list) and not steps[end].isdecimal():
            return head, value
    return None


def _texts(record: Any, wanted: Sequence[tuple[str, str]]) -> Item:
    found = ((path, fields.at(record, rest)) for path, rest in wanted)
    texts = ((path, _text(value)) for path, value in found if value is not fields.ABSENT)
    return [(path, text) for path, text in texts if text]


def _text(value: Any) -> str:
    parts = value if isinstance(value, list) else [value]
    return clean_text("\n".join(filter(None, map(fields.json_or_text, parts))))


def eval_batches(
    batches: Iterator[pa.RecordBatch], paths: Sequence[str]
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """For each batch of bronze rows, the items and the rejects: every record is in one of the two."""
    for batch in batches:
        rows: list[dict[str, Any]] = []
        rejects: list[dict[str, Any]] = []
        for bronze in batch.to_pylist():
            provenance = {name: bronze[name] for name in ORIGIN}
            try:
                items = items_of(parsed(bronze), paths)
            except Rejected as reject:
                rejects.append(reject_row(bronze, reject) | provenance)
                continue
            for number, item in enumerate(items, start=1):
                if item:
                    rows.append(_row(item, number) | {"file": bronze["file"]} | provenance)
            if lacking := [number for number, item in enumerate(items, start=1) if not item]:
                rejects.append(reject_row(bronze, _lacking(lacking, paths)) | provenance)
        yield EVAL_ITEMS.table(rows), REJECTS.table(rejects)


def _lacking(numbers: Sequence[int], paths: Sequence[str]) -> Rejected:
    return Rejected("missing_field", f"items {list(numbers)} hold no text at {', '.join(map(repr, paths))}")


def _row(item: Item, number: int) -> dict[str, Any]:
    texts = [{"field": path, "text": text} for path, text in item]
    return {"record_id": content_id(item), "item": number, "texts": texts}


@dataclass(frozen=True)
class EvalStage:
    """Makes silver/eval_<name>: the whole set as of a day, from the newest delivery of each of its files."""

    bronze: Table
    fields: tuple[str, ...]

    @property
    def asset_path(self) -> tuple[str, str]:
        return ("silver", self.bronze.name)

    @property
    def inputs(self) -> tuple[Table, ...]:
        return (self.bronze,)

    @property
    def table(self) -> Table:
        return Table(*self.asset_path, EVAL_ITEMS)

    @property
    def code_version(self) -> str:
        return code_digest(CODE, ("msgspec", "pyarrow"))

    @property
    def config_version(self) -> str:
        return digest_of(list(self.fields))[:16]

    def due(self, store: PartitionStore) -> set[str]:
        return set(store.keys(self.bronze))

    def reach(self, store: PartitionStore, asked: list[str]) -> list[str]:
        return later_partitions(self, store, asked)

    def build(self, store: PartitionStore, key: str) -> Build:
        def digests() -> Digests:
            inputs = digest_of([part.sha256 for _, part in self._newest(store, key)])
            return Digests(inputs=inputs, code=self.code_version, config=self.config_version)

        def write(writer: PartitionWriter) -> None:
            newest = self._newest(store, key)
            paths = store.files(self.bronze, newest)
            for rows, rejects in eval_batches(read_batches(paths), self.fields):
                writer.rows(rows)
                writer.rejects(rejects)

        return Build(digests, write)

    def _newest(self, store: PartitionStore, key: str) -> list[tuple[str, Part]]:
        """Of each file, the part of the export that came last up to this day, with its day.

        One in quarantine gives its reject, but does not take the place of the sound one before it: a broken
        delivery must not switch an evaluation set off.
        """
        found: list[tuple[str, Part]] = []
        for _, deliveries in sorted(self._deliveries(store, key).items()):
            for _, day, part in sorted(deliveries, reverse=True):
                found.append((day, part))
                if defect_of(store, self.bronze, day, part) is None:
                    break
        return found

    def _deliveries(self, store: PartitionStore, key: str) -> dict[str, list[tuple[Arrival, str, Part]]]:
        """By file name, every export up to this day."""
        found: dict[str, list[tuple[Arrival, str, Part]]] = {}
        for day in (day for day in store.keys(self.bronze) if day <= key):
            manifest = store.manifest(self.bronze, day)
            for part in manifest.parts if manifest else ():
                if manifest is not None and part.export is not None:
                    export = manifest.summary["exports"][part.export]
                    arrival = (day, export.get("order", 0), part.export)
                    found.setdefault(undated(export["file"]), []).append((arrival, day, part))
        return found
