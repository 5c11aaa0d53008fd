"""Which of a unit's records a recipe takes: its mix, filter, window and hold-out.

Belongs here: choosing, and a reject with its reason for each record that is left out. Does not: what a filter
may say (filter.py), or what becomes of the chosen ones (units/).

The reasons are asked in this order, and the first that holds is the one told: outside_window, not_in_mix,
filtered, held_out or not_held_out, not_sampled. Each looks at the record alone, so that no other record, no
batch and no partition can change what is chosen.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medallion_assets.package.choose.copies import Copies, repeated
from medallion_assets.package.choose.filter import columns_read, sealed
from medallion_assets.package.recipe import EVERYTHING, Selection, Sink
from medallion_assets.records import MAX_DETAIL_CHARACTERS
from medallion_assets.schemas import ORIGIN_AND_ID, REJECTS, TableSchema
from medallion_assets.storage.parts import READ_BATCH_ROWS, read_batches

if TYPE_CHECKING:
    import duckdb

# Where a filter reads no more than names and dates.
KEY_BATCH_ROWS = 1 << 16
# A number in [0, 1) that a text always has: 52 bits of its SHA-256, which a double holds exactly.
LOT = f"(('0x' || left(sha256({{text}}), 13))::BIGINT / {1 << 52}::DOUBLE)"
HOLD_OUT_LOT = LOT.format(text="'hold-out ' || record_id")
MIX_LOT = LOT.format(text="'mix ' || source || ' ' || record_id")
WEIGHT = "map($sources, $weights)[source]"
COPIES = f"floor({WEIGHT})::INTEGER + ({MIX_LOT} < {WEIGHT} - floor({WEIGHT}))::INTEGER"


class FilterFailed(ValueError):
    """A filter that can't be worked out for a record."""

    def __init__(self, record: Mapping[str, Any], why: str) -> None:
        self.record_id = record["record_id"]
        super().__init__(
            f"the recipe's `where` fails on record {self.record_id} ({record['source']}, landed "
            f"{record['landing_date']}, line {record['line']} of export {record['export_sha256']}): {why}. "
            "Write what it is to be then, as with TRY(...) or TRY_CAST(... AS ...)"
        )


@dataclass(frozen=True)
class Rule:
    """Why records are left out: the SQL that is true of those, and the values that it names."""

    reason: str
    leaves_out: str
    detail: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdicts:
    """Of a batch of records, in order: how often each is taken, and the first rule that leaves it out."""

    records: pa.RecordBatch
    copies: Copies
    broken: pa.Array
    rules: Sequence[Rule]

    def rejects(self) -> pa.Table:
        """The records that are left out."""
        out = self.records.filter(self.broken.is_valid())
        broken = self.broken.drop_null()
        found = {name: out.column(name) for name in ORIGIN_AND_ID} | {
            "stage": pa.repeat("package", out.num_rows),
            "reason": pa.array([rule.reason for rule in self.rules]).take(broken),
            "detail": pa.array([rule.detail[:MAX_DETAIL_CHARACTERS] for rule in self.rules]).take(broken),
        }
        schema = REJECTS.arrow
        columns = [found.get(each.name, pa.nulls(out.num_rows, each.type)) for each in schema]
        return pa.Table.from_arrays(columns, schema=schema)


def copies_of(
    paths: Sequence[Path], selection: Selection, *, schema: TableSchema, writer: Sink
) -> Copies | None:
    """How often each record is taken, in stored order; None where each is taken once.

    What is left out goes to the writer, as rejects; `schema` is that of the files.
    """
    if selection == EVERYTHING:
        return None
    counted = [np.zeros(0, np.int32)]
    for verdicts in verdicts_on(paths, selection, schema):
        writer.rejects(verdicts.rejects())
        counted.append(verdicts.copies)
    return np.concatenate(counted)


def taken(batches: Iterable[pa.RecordBatch], copies: Copies | None) -> Iterator[pa.RecordBatch]:
    """The records of these batches; one that is taken n times comes n times."""
    if copies is None:
        yield from batches
    elif copies.any():
        yield from repeated(batches, copies)


def verdicts_on(paths: Sequence[Path], selection: Selection, schema: TableSchema) -> Iterator[Verdicts]:
    """On every record in stored order."""
    read = columns_read(selection.where, schema) if selection.where is not None else []
    columns = [column.name for column in schema.columns if column.name in {*ORIGIN_AND_ID, *read}]
    rows = READ_BATCH_ROWS if read else KEY_BATCH_ROWS
    rules = list(rules_of(selection))
    with sealed() as duck:
        for batch in read_batches(paths, columns, rows=rows):
            yield _judged(duck, batch, rules, copies=COPIES if selection.mix is not None else "1")


def rules_of(selection: Selection) -> Iterator[Rule]:
    """In the order in which they are asked."""
    mix, window = selection.mix, {"first": selection.first, "last": selection.last}
    if selection.first is not None or selection.last is not None:
        told = (
            f"it takes landing dates from {selection.first or 'the first'} to {selection.last or 'the last'}"
        )
        yield Rule("outside_window", "landing_date < $first OR landing_date > $last", told, window)
    weights = {} if mix is None else {"sources": list(mix), "weights": list(mix.values())}
    if mix is not None:
        yield Rule("not_in_mix", f"{WEIGHT} IS NULL", f"the mix names {', '.join(sorted(mix))}", weights)
    if selection.where is not None:
        yield Rule("filtered", f"NOT coalesce((\n{selection.where}\n), false)", selection.where)
    if selection.held_out is not None:
        yield _held_out(selection.held_out, takes=selection.takes_held_out)
    if mix is not None:
        yield Rule(
            "not_sampled", f"{COPIES} = 0", "beyond the share that the mix takes of its source", weights
        )


def _held_out(share: float, *, takes: bool) -> Rule:
    told = f"{share:g} of all records are held out, by their ids"
    reason, which = ("not_held_out", ">=") if takes else ("held_out", "<")
    return Rule(reason, f"{HOLD_OUT_LOT} {which} $held_out", told, {"held_out": share})


def _judged(
    duck: duckdb.DuckDBPyConnection, batch: pa.RecordBatch, rules: Sequence[Rule], *, copies: str
) -> Verdicts:
    cases = " ".join(f"WHEN {rule.leaves_out} THEN {number}" for number, rule in enumerate(rules))
    cases = cases or "WHEN false THEN 0"
    query = f"SELECT {copies} AS copies, CASE {cases} END::INTEGER AS rule FROM records"
    values = {name: value for rule in rules for name, value in rule.values.items()}
    found = _answers(duck, batch, query, values)
    broken = found.column("rule").combine_chunks()
    taken = pc.if_else(broken.is_null(), found.column("copies"), 0)
    return Verdicts(batch, taken.to_numpy().astype(np.int32), broken, rules)


def _answers(
    duck: duckdb.DuckDBPyConnection, batch: pa.RecordBatch, query: str, values: Mapping[str, Any]
) -> pa.Table:
    import duckdb as engine

    def answers(rows: int) -> pa.Table:
        duck.register("records", pa.Table.from_batches([batch.slice(0, rows)]))
        return duck.sql(query, params=dict(values)).to_arrow_table()

    def fails(rows: int) -> bool:
        try:
            answers(rows)
        except engine.Error:
            return True
        return False

    try:
        return answers(batch.num_rows)
    except engine.Error as error:
        first = bisect_left(range(batch.num_rows), True, key=lambda row: fails(row + 1))
        raise FilterFailed(batch.slice(first, 1).to_pylist()[0], str(error).splitlines()[0]) from error
