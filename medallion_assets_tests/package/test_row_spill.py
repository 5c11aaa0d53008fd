"""Laws of the spill of rows: what goes in comes out, in an order of the ids alone, copies far apart."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.package.packing import row_spill
from medallion_assets.package.packing.row_spill import RowSpill
from medallion_assets.records import content_id

SCHEMA = pa.schema([("record_id", pa.string()), ("values", pa.list_(pa.int32()))])
Row = dict[str, object]


def row(number: int) -> Row:
    return {"record_id": content_id(number), "values": None if number % 7 == 0 else [number] * (number % 4)}


def spilled(rows: list[Row], *, batch: int, chunk: int) -> list[Row]:
    with TemporaryDirectory() as scratch, RowSpill(Path(scratch), SCHEMA) as spill:
        for start in range(0, len(rows), batch):
            spill.append(pa.Table.from_pylist(rows[start : start + batch], schema=SCHEMA))
        return [each for table in spill.chunks(chunk) for each in table.to_pylist()]


@given(st.sets(st.integers(0, 999), max_size=40), st.integers(1, 9), st.integers(1, 9), st.integers(1, 50))
def test_rows_come_back_by_their_ids_however_they_came(
    numbers: set[int], batch: int, chunk: int, held: int
) -> None:
    rows = [row(number) for number in numbers]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_spill, "BATCH_ROWS", held)
        found = spilled(rows, batch=batch, chunk=chunk)
    assert found == sorted(rows, key=lambda each: str(each["record_id"]))


@given(st.dictionaries(st.integers(0, 999), st.integers(1, 4), max_size=20))
def test_copies_are_kept_and_the_order_of_records_does_not_matter(copies: dict[int, int]) -> None:
    rows, turned = (
        [row(number) for number, count in items for _ in range(count)]
        for items in (copies.items(), reversed(copies.items()))
    )
    found = spilled(rows, batch=5, chunk=3)
    assert Counter(map(str, found)) == Counter(map(str, rows))
    assert spilled(turned, batch=4, chunk=9) == found


def test_copies_lie_apart() -> None:
    found = spilled([row(number) for number in range(200) for _ in range(3)], batch=64, chunk=64)
    together = [a for a, b in pairwise(found) if a == b]
    assert len(together) < 12


def test_nothing_is_nothing() -> None:
    assert spilled([], batch=1, chunk=1) == []
