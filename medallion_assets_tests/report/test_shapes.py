"""Laws of the shapes of gold: each document and bin is counted once, where plain arithmetic puts it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.report.shapes import FILL_STEPS, LENGTHS, shapes_of
from medallion_assets.schemas import list_of
from medallion_assets.schemas_gold import GOLD_PREFERENCE, GOLD_SCHEMAS, GOLD_SFT

ROOM = 128
bins = st.lists(st.integers(1, ROOM), min_size=1, max_size=9).filter(lambda lengths: sum(lengths) <= ROOM)


@given(st.lists(bins, max_size=40))
def test_bins_and_their_documents_are_counted(found: list[list[int]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "part.parquet"
        pq.write_table(
            pa.table({"seq_lengths": pa.array(found, list_of(pa.int32()))}), path, row_group_size=3
        )
        shapes = shapes_of(GOLD_SFT.name, [path], room=ROOM)
    documents = (length for lengths in found for length in lengths)
    steps = (min(sum(lengths) * FILL_STEPS // ROOM, FILL_STEPS - 1) for lengths in found)
    assert shapes.lengths == Counter(1 << length.bit_length() - 1 for length in documents)
    assert shapes.fill == Counter(steps)


@given(st.lists(st.tuples(st.integers(1, 900), st.integers(1, 900)), max_size=40))
def test_a_row_is_as_long_as_its_parts_together(found: list[tuple[int, int]]) -> None:
    columns = {name: [row[n] for row in found] for n, name in enumerate(LENGTHS[GOLD_PREFERENCE.name])}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "part.parquet"
        pq.write_table(pa.table({name: pa.array(rows, pa.int32()) for name, rows in columns.items()}), path)
        shapes = shapes_of(GOLD_PREFERENCE.name, [path], room=ROOM)
    assert (shapes.lengths, shapes.fill) == (Counter(1 << sum(row).bit_length() - 1 for row in found), {})


def test_every_schema_of_gold_has_lengths() -> None:
    schemas = {schema.name: {column.name for column in schema.columns} for schema in GOLD_SCHEMAS.values()}
    assert schemas.keys() == LENGTHS.keys() | {GOLD_SFT.name}
    assert all(set(columns) <= schemas[name] for name, columns in LENGTHS.items())
