"""Why rows of a unit's partition go: as duplicates, or since they give an evaluation away.

Belongs here: the reject of each such row, by source and place, and taking it out of a batch. Does not:
finding duplicates (dedup.py) or contamination (decontaminate/).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from medallion_assets.curate.dedup import Twin
from medallion_assets.curate.deposits import Deposit
from medallion_assets.curate.fingerprint import key_column
from medallion_assets.schemas import ORIGIN_AND_ID, REJECTS
from medallion_assets.storage.store import PartitionStore, Table

Row = dict[str, Any]
# The reject of a row, given its provenance.
Removal = Callable[[Row], Row]


def duplicates(
    store: PartitionStore, unit: str, twins: Mapping[str, Mapping[int, Twin]]
) -> Mapping[str, Mapping[int, Removal]]:
    """By source and place in its conformed partition."""
    name = _named_by_key if key_column(unit) == "record_id" else _names(store, twins)
    return {
        source: {row: partial(_duplicate, twin, name(twin)) for row, twin in rows.items()}
        for source, rows in twins.items()
    }


def contaminated(store: PartitionStore, contamination: Table | None, key: str) -> Mapping[str, Removal]:
    """By record id, what silver/<unit>_contamination found on this day; of several sets, the clearest match.

    Not by place: the verdicts may be of another generation of the day, and then hold for the same text only.
    """
    found: dict[str, Removal] = {}
    if contamination is None or store.manifest(contamination, key) is None:
        return found
    rows = [row for batch in store.batches(contamination, key) for row in batch.to_pylist()]
    for row in sorted(rows, key=lambda row: -row["coverage"]):
        found.setdefault(row["record_id"], partial(_contaminated, row))
    return found


def split(
    batch: pa.RecordBatch, first: int, *, repeated: Mapping[int, Removal], given_away: Mapping[str, Removal]
) -> tuple[pa.Table, pa.Table]:
    """The rows that stay, and the rejects of the others; `first` is the place of the batch in its file."""
    rows = pa.Table.from_batches([batch])
    ids = batch.column("record_id").to_pylist()
    found = [repeated.get(place) or given_away.get(record_id) for place, record_id in enumerate(ids, first)]
    gone = pa.array([removal is not None for removal in found], pa.bool_())
    provenance = rows.select(ORIGIN_AND_ID).filter(gone).to_pylist()
    rejects = [removal(row) for row, removal in zip(provenance, filter(None, found), strict=True)]
    return rows.filter(pc.invert(gone)), REJECTS.table(rejects)


def _duplicate(twin: Twin, twin_id: str, provenance: Row) -> Row:
    if not twin.same_key:
        reason, what = "near_duplicate", f"{twin.similarity:.1%} like"
    elif twin_id == provenance["record_id"]:
        reason, what = "exact_duplicate", "equal to"
    else:
        reason, what = "repeated_rollout", "the same run, step and sample as"
    return provenance | {
        "stage": "dedup",
        "reason": reason,
        "detail": f"{what} a record of {twin.deposit.source} landed on {twin.deposit.day}",
        "twin_record_id": twin_id,
        "twin_source": twin.deposit.source,
        "twin_landing_date": date.fromisoformat(twin.deposit.day),
        "similarity": None if reason == "repeated_rollout" else twin.similarity,
    }


def _contaminated(match: Row, provenance: Row) -> Row:
    item = f"{match['eval_set']}: item {match['item']} of record {match['item_id']}, {match['field']}"
    how = f"{match['coverage']:.0%} of its words" if match["matched_by"] == "ngrams" else "word for word"
    return provenance | {
        "stage": "decontaminate",
        "reason": "contaminated",
        "detail": f"{item}: {how}: {match['matching_text']!r}",
    }


def _named_by_key(twin: Twin) -> str:
    return twin.key.hex()


def _names(store: PartitionStore, twins: Mapping[str, Mapping[int, Twin]]) -> Callable[[Twin], str]:
    """The record ids of twins whose key is another, as rollouts have."""
    rows: dict[Deposit, set[int]] = {}
    for twin in (twin for found in twins.values() for twin in found.values()):
        rows.setdefault(twin.deposit, set()).add(twin.row)
    names = {deposit: _ids_of(store, deposit, wanted) for deposit, wanted in rows.items()}
    return lambda twin: names[twin.deposit][twin.row]


def _ids_of(store: PartitionStore, deposit: Deposit, rows: Iterable[int]) -> dict[int, str]:
    batches = store.batches(deposit.table, deposit.day, ["record_id"])
    ids = [record_id for batch in batches for record_id in batch.column("record_id").to_pylist()]
    return {row: ids[row] for row in rows}
