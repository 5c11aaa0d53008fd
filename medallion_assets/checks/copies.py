"""Conservation of gold: every silver record is there as often as its recipe takes it, or once in the rejects.

Belongs here: what a recipe plans, against what lies in its table. Does not: other tables, where a record
enters once and leaves once (conservation.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medallion_assets.package.choose.select import verdicts_on
from medallion_assets.package.recipe import EVERYTHING
from medallion_assets.package.stage import GoldStage
from medallion_assets.storage.parts import read_batches
from medallion_assets.storage.store import PartitionStore

# Of a piece of a record, or of what is known of it as a whole: how often it is planned (null where silver has
# no such record), packed and rejected, and where it begins and ends.
FIGURES = ("planned", "packed", "rejected", "first", "last")
NULL_IF_ALL_ARE = pc.ScalarAggregateOptions(min_count=1)
# So many pieces are compared at once, 100 bytes each: of more, a share of the records after the other.
COMPARED_AT_ONCE = 1_000_000
BIN_COLUMNS = ("record_ids", "record_offsets", "seq_lengths")
PREFIXES = pa.array([f"{number:02x}" for number in range(256)])


def unequal_records(
    stage: GoldStage, store: PartitionStore, key: str, *, silver: Sequence[Path]
) -> list[tuple[str, bool]]:
    """The records that are not there as often as they should be, and whether too seldom."""
    manifest = store.manifest(stage.table, key)
    documents = manifest.summary.get("documents", manifest.rows) if manifest else 0
    shares = 1 + documents // COMPARED_AT_ONCE
    found = []
    for share in range(shares):
        parts = (_share_of(part, share, shares) for part in _pieces(stage, store, key, silver))
        found += _unequal(pa.concat_tables(parts))
    return sorted(found)


def _pieces(stage: GoldStage, store: PartitionStore, key: str, silver: Sequence[Path]) -> Iterator[pa.Table]:
    """All that is planned, packed and rejected."""
    yield _of(pa.array([], pa.string()))
    if stage.selection == EVERYTHING:
        for batch in read_batches(silver, ["record_id"]):
            yield _of(batch.column("record_id"), planned=np.ones(batch.num_rows, np.int64))
    else:
        for verdicts in verdicts_on(silver, stage.selection, stage.silver.schema):
            yield _of(verdicts.records.column("record_id"), planned=verdicts.copies)
    in_bins = any(column.name == "record_ids" for column in stage.table.schema.columns)
    for batch in store.batches(stage.table, key, BIN_COLUMNS if in_bins else ["record_id"]):
        yield _documents(batch) if in_bins else _whole(batch, "packed")
    for batch in store.batches(stage.table, key, ["record_id"], rejects=True):
        yield _whole(batch, "rejected")


def _documents(batch: pa.RecordBatch) -> pa.Table:
    """The piece that begins a split record stands for it."""
    ids, first, lengths = (pc.list_flatten(batch.column(name)) for name in BIN_COLUMNS)
    begin = first.to_numpy()
    return _of(ids, packed=begin == 0, first=begin, last=begin + lengths.to_numpy())


def _whole(batch: pa.RecordBatch, what: str) -> pa.Table:
    return _of(batch.column("record_id"), **{what: np.ones(batch.num_rows, np.int64)})


def _of(record_ids: pa.Array, **figures: np.ndarray) -> pa.Table:
    nothing = {name: pa.array(np.zeros(len(record_ids), np.int64)) for name in FIGURES}
    nothing["planned"] = pa.nulls(len(record_ids), pa.int64())
    known = {name: pa.array(values.astype(np.int64)) for name, values in figures.items()}
    return pa.table({"record_id": record_ids.cast(pa.string()), **nothing, **known})


def _share_of(pieces: pa.Table, share: int, shares: int) -> pa.Table:
    if shares == 1:
        return pieces
    prefix = pc.index_in(pc.utf8_slice_codeunits(pieces.column("record_id"), 0, 2), PREFIXES)
    return pieces.filter(pa.array(prefix.fill_null(0).to_numpy() % shares == share))


def _unequal(pieces: pa.Table) -> list[tuple[str, bool]]:
    """Each piece begins where another ends, so that of a torn record one between is missing."""
    sums = [(name, "sum", NULL_IF_ALL_ARE) for name in FIGURES]
    records = pieces.group_by("record_id").aggregate([*sums, ("last", "max")])
    known = records.column("planned_sum").is_valid().to_numpy()
    planned, packed, rejected, first, last = (
        records.column(f"{name}_sum").fill_null(0).to_numpy() for name in FIGURES
    )
    torn = first != last - packed * records.column("last_max").to_numpy()
    taken = (packed == planned) & (rejected == (planned == 0))
    left_out = (packed == 0) & (rejected == 1)
    unequal = torn | ~known | ~(taken | left_out)
    lost = (rejected == 0) & (torn | (packed < np.maximum(planned, 1)))
    names = records.column("record_id").filter(pa.array(unequal)).to_pylist()
    return list(zip(names, lost[unequal].tolist(), strict=True))
