"""Laws of parts: their bytes follow from their rows, their schema is exact, and their damage shows."""

from __future__ import annotations

import struct
from contextlib import suppress
from datetime import date
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.schemas import MESSAGE, Column, TableSchema
from medallion_assets.storage.manifest import Part
from medallion_assets.storage.parts import (
    READ_BATCH_BYTES,
    ROW_GROUP_BYTES,
    MappedPartWriter,
    PartWriter,
    SchemaMismatch,
    group_ends,
    read_batches,
    row_bytes,
)
from medallion_assets_tests.storage.samples import NUMBERS, numbers, sha256_of

# Every kind of column that the project's tables have, in groups small enough to be crossed often.
EVERYTHING = TableSchema(
    "everything",
    3,
    (
        Column("number", pa.int64(), ""),
        Column("day", pa.date32(), ""),
        Column("text", pa.string(), "", nullable=True),
        Column("bytes", pa.binary(), "", nullable=True),
        Column("share", pa.float64(), "", nullable=True),
        Column("ids", pa.list_(pa.field("element", pa.int32(), nullable=False)), ""),
        Column("messages", pa.list_(pa.field("element", MESSAGE, nullable=False)), ""),
    ),
    row_group_rows=5,
)
TEXT = st.text(max_size=5)
MESSAGES = st.fixed_dictionaries(
    {
        "role": TEXT,
        "content": TEXT,
        "reasoning_content": st.none() | TEXT,
        "tool_calls": st.none(),
        "tool_call_id": st.none() | TEXT,
        "name": st.none(),
        "train": st.booleans(),
    }
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "number": st.integers(-(2**63), 2**63 - 1),
            "day": st.dates(date(1970, 1, 1), date(2099, 12, 31)),
            "text": st.none() | TEXT,
            "bytes": st.none() | st.binary(max_size=5),
            "share": st.none() | st.floats(allow_nan=False),
            "ids": st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3),
            "messages": st.lists(MESSAGES, max_size=2),
        }
    ),
    max_size=23,
)


def write_part(
    folder: Path, schema: TableSchema, *batches: pa.Table, kind: type[PartWriter] = PartWriter
) -> Part:
    writer = kind(folder, schema, label="part")
    for batch in batches:
        writer.write(batch)
    return writer.finish()


@pytest.mark.parametrize("kind", [PartWriter, MappedPartWriter])
@given(data=st.data(), rows=ROWS)
@settings(max_examples=60, deadline=None)
def test_the_bytes_of_a_part_depend_on_its_rows_alone(
    kind: type[PartWriter],
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    rows: list[dict[str, Any]],
) -> None:
    folder = tmp_path_factory.mktemp("part")
    whole = EVERYTHING.table(rows)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=6)))
    bounds = list(pairwise([0, *cuts, len(rows)]))
    sliced = [whole.slice(start, end - start) for start, end in bounds]
    rebuilt = [EVERYTHING.table(rows[start:end]) for start, end in bounds]
    ways = [[whole], sliced, rebuilt, [pa.concat_tables(rebuilt)]]
    assert len({write_part(folder, EVERYTHING, *batches, kind=kind) for batches in ways}) == 1


@pytest.mark.parametrize("batch_rows", [1, 700, 1023, 6001])
def test_pages_do_not_follow_the_batches(tmp_path: Path, batch_rows: int) -> None:
    texts = TableSchema("texts", 1, (Column("text", pa.string(), ""),))
    whole = texts.table({"text": sha256(b"%d" % number).hexdigest() * 8} for number in range(9000))
    batches = [whole.slice(start, batch_rows) for start in range(0, whole.num_rows, batch_rows)]
    assert write_part(tmp_path, texts, *batches) == write_part(tmp_path, texts, whole)


@given(rows=ROWS, batch_rows=st.integers(1, 7))
@settings(max_examples=30, deadline=None)
def test_what_was_written_is_read_in_order(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], batch_rows: int
) -> None:
    folder = tmp_path_factory.mktemp("part")
    part = write_part(folder, EVERYTHING, EVERYTHING.table(rows))
    batches = list(read_batches([folder / part.name], rows=batch_rows))
    assert [row for batch in batches for row in batch.to_pylist()] == rows
    assert all(batch.num_rows <= batch_rows for batch in batches)


def test_a_part_is_named_and_described_by_its_bytes(tmp_path: Path) -> None:
    part = write_part(tmp_path, NUMBERS, numbers(range(20)))
    [path] = tmp_path.iterdir()
    digest = sha256_of(path)
    assert part == Part(name=f"part-{digest[:12]}.parquet", sha256=digest, rows=20, size=path.stat().st_size)
    assert path.name == part.name


def test_a_part_without_rows_has_its_columns(tmp_path: Path) -> None:
    part = write_part(tmp_path, EVERYTHING)
    read = pq.read_table(tmp_path / part.name)
    assert (part.rows, read.num_rows, read.schema.names) == (0, 0, EVERYTHING.arrow.names)
    assert part == write_part(tmp_path, EVERYTHING, EVERYTHING.table([]))


def test_the_footer_carries_no_schema_of_arrow_or_pandas(tmp_path: Path) -> None:
    described = numbers([1]).replace_schema_metadata({"pandas": "{}", "note": "of the run"})
    part = write_part(tmp_path, NUMBERS, described)
    assert pq.read_metadata(tmp_path / part.name).metadata is None
    assert part == write_part(tmp_path, NUMBERS, numbers([1]))


def test_row_groups_are_as_long_as_the_schema_says(tmp_path: Path) -> None:
    part = write_part(tmp_path, NUMBERS, numbers(range(3)), numbers(range(3, 20)))
    footer = pq.read_metadata(tmp_path / part.name)
    assert [footer.row_group(group).num_rows for group in range(footer.num_row_groups)] == [8, 8, 4]


def test_every_difference_from_the_schema_is_listed_at_once(tmp_path: Path) -> None:
    columns = {
        "number": pa.array([1.5]),
        "day": pa.array([None], pa.date32()),
        "ids": pa.array([None], EVERYTHING.arrow.field("ids").type),
        "text": pa.array([b"x"]),
        "share": pa.array([0.5]),
        "extra": pa.array(["?"]),
        "messages": pa.array([[]], EVERYTHING.arrow.field("messages").type),
    }
    with pytest.raises(SchemaMismatch) as refused:
        write_part(tmp_path, EVERYTHING, pa.table(columns))
    assert sorted(refused.value.differences) == [
        "column 'bytes' (binary) is missing",
        "column 'day' has 1 nulls, declared not null",
        "column 'extra' is not declared",
        "column 'ids' has 1 nulls, declared not null",
        "column 'number' is double, declared int64",
        "column 'text' is binary, declared string",
    ]
    assert all(difference in str(refused.value) for difference in refused.value.differences)


def test_columns_in_another_order_are_refused(tmp_path: Path) -> None:
    pair = TableSchema("pair", 1, (Column("a", pa.int64(), ""), Column("b", pa.int64(), "")))
    with pytest.raises(SchemaMismatch) as refused:
        write_part(tmp_path, pair, pa.table({"b": [1], "a": [2]}))
    assert refused.value.differences == ("columns come in the order ['b', 'a'], declared ['a', 'b']",)


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["a"]).dictionary_encode(),
        pa.array(["a"], pa.large_string()),
        pa.array(["a"], pa.string_view()),
        pa.array([b"a"]),
    ],
    ids=str,
)
def test_a_type_that_only_resembles_the_declared_one_is_refused(tmp_path: Path, column: pa.Array) -> None:
    text = TableSchema("text", 1, (Column("text", pa.string(), ""),))
    with pytest.raises(SchemaMismatch) as refused:
        write_part(tmp_path, text, pa.table({"text": column}))
    assert refused.value.differences == (f"column 'text' is {column.type}, declared string",)


def test_a_column_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaMismatch) as refused:
        write_part(tmp_path, NUMBERS, pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["number"] * 2))
    assert refused.value.differences == (
        "columns come in the order ['number', 'number'], declared ['number']",
    )


MESSAGE_ROW = {"role": "user", "content": "hi", "train": False}


@pytest.mark.parametrize(
    ("messages", "difference"),
    [
        ([MESSAGE_ROW, None], "column 'messages.element' has 1 nulls, declared not null"),
        ([{**MESSAGE_ROW, "role": None}], "column 'messages.element.role' has 1 nulls, declared not null"),
        ([{**MESSAGE_ROW, "train": None}], "column 'messages.element.train' has 1 nulls, declared not null"),
    ],
)
def test_a_null_inside_a_nested_column_is_refused(
    tmp_path: Path, messages: list[object], difference: str
) -> None:
    nested = TableSchema("nested", 1, (EVERYTHING.columns[-1],))
    with pytest.raises(SchemaMismatch) as refused:
        write_part(tmp_path, nested, nested.table(iter([{"messages": messages}])))
    assert refused.value.differences == (difference,)


def test_a_null_token_is_refused(tmp_path: Path) -> None:
    tokens = TableSchema("tokens", 1, (EVERYTHING.columns[-2],))
    with pytest.raises(SchemaMismatch) as refused:
        write_part(tmp_path, tokens, tokens.table([{"ids": [1]}, {"ids": [2, None, None]}]).slice(1))
    assert refused.value.differences == ("column 'ids.element' has 2 nulls, declared not null",)


def test_a_null_struct_that_may_be_null_excuses_its_children(tmp_path: Path) -> None:
    inner = pa.struct([pa.field("needed", pa.int64(), nullable=False)])
    optional = TableSchema("optional", 1, (Column("maybe", inner, "", nullable=True),))
    rows = [{"maybe": None}, {"maybe": {"needed": 1}}]
    part = write_part(tmp_path, optional, optional.table(rows))
    assert pq.read_table(tmp_path / part.name).to_pylist() == rows


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stored")
    rows = [
        {"number": n, "day": date(2024, 9, 1), "text": f"row {n}", "ids": [n], "messages": [MESSAGE_ROW]}
        for n in range(40)
    ]
    return folder / write_part(folder, EVERYTHING, EVERYTHING.table(rows)).name


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=150, deadline=None)
def test_a_flipped_bit_in_a_page_never_changes_what_is_read(stored: Path, place: float, bit: int) -> None:
    good = stored.read_bytes()
    [footer_bytes] = struct.unpack("<I", good[-8:-4])
    damaged = bytearray(good)
    damaged[int(place * (len(good) - 8 - footer_bytes))] ^= 1 << bit
    copy = stored.with_name("damaged")
    copy.write_bytes(damaged)
    assert sha256_of(copy) != sha256_of(stored)
    try:
        read = pa.Table.from_batches(read_batches([copy]))
    except (OSError, ValueError):
        return  # detected
    assert read.equals(pa.Table.from_batches(read_batches([stored])))


def test_a_flipped_bit_of_a_value_is_detected_on_read(tmp_path: Path) -> None:
    part = write_part(tmp_path, NUMBERS, numbers([1]))
    path = tmp_path / part.name
    path.write_bytes(path.read_bytes().replace((1).to_bytes(8, "little"), (3).to_bytes(8, "little"), 1))
    with pytest.raises(OSError, match="CRC checksum"):
        list(read_batches([path]))


@given(kept=st.floats(0, 1, exclude_max=True))
@settings(max_examples=60, deadline=None)
def test_a_part_cut_short_is_not_read(stored: Path, kept: float) -> None:
    content = stored.read_bytes()
    copy = stored.with_name("cut")
    copy.write_bytes(content[: int(kept * len(content))])
    with pytest.raises((OSError, ValueError)):
        list(read_batches([copy]))


def test_an_unfinished_part_is_invisible_and_an_abandoned_one_is_gone(tmp_path: Path) -> None:
    writer = PartWriter(tmp_path, NUMBERS, label="part")
    writer.write(numbers(range(20)))
    finished = write_part(tmp_path, NUMBERS, numbers([1]))
    assert ds.dataset(tmp_path, format="parquet").files == [str(tmp_path / finished.name)]
    assert [path.name for path in tmp_path.glob("*.parquet")] == [finished.name]
    writer.abandon()
    assert [path.name for path in tmp_path.iterdir()] == [finished.name]


SIZES = st.lists(st.integers(0, 9), max_size=30).map(lambda sizes: np.array(sizes, np.int64))


@given(SIZES, st.integers(1, 5), st.integers(1, 20))
def test_a_group_is_full_by_rows_or_by_bytes_and_never_over(sizes: Any, rows: int, most: int) -> None:
    ends = group_ends(sizes, rows, most)
    for start, end in pairwise([0, *ends]):
        size = int(sizes[start:end].sum())
        assert 0 < end - start <= rows
        assert size <= most or end - start == 1
        assert end - start == rows or size + int(sizes[end : end + 1].sum()) > most


@given(SIZES, st.integers(0, 30), st.integers(1, 5), st.integers(1, 20))
def test_rows_still_to_come_move_no_group(sizes: Any, so_far: int, rows: int, most: int) -> None:
    ends = group_ends(sizes, rows, most)
    early = group_ends(sizes[:so_far], rows, most)
    assert ends[: len(early)] == early


@given(rows=ROWS, cut=st.integers(0, 23))
@settings(deadline=None)
def test_a_row_weighs_the_same_however_rows_are_chunked(rows: list[dict[str, Any]], cut: int) -> None:
    whole, pieces = EVERYTHING.table(rows), [EVERYTHING.table(rows[:cut]), EVERYTHING.table(rows[cut:])]
    assert row_bytes(whole).tolist() == row_bytes(pa.concat_tables(pieces)).tolist()
    assert row_bytes(whole).tolist() == [*row_bytes(pieces[0]), *row_bytes(whole.slice(cut))]


def test_large_rows_make_small_groups_and_small_batches(tmp_path: Path) -> None:
    texts = TableSchema("texts", 1, (Column("text", pa.string(), ""),))
    rows = [texts.table([{"text": letter * (10 << 20)}]) for letter in "abcdefghijklmn"]
    part = write_part(tmp_path, texts, *rows)
    assert write_part(tmp_path, texts, pa.concat_tables(rows)) == part
    with pq.ParquetFile(tmp_path / part.name) as file:
        groups = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    assert groups == [6, 6, 2]
    assert 6 * (10 << 20) <= ROW_GROUP_BYTES < 7 * (10 << 20)
    batches = list(read_batches([tmp_path / part.name]))
    assert [batch.num_rows for batch in batches] == [1] * 14
    assert READ_BATCH_BYTES < 2 * (10 << 20)


def test_a_flipped_bit_of_the_footer_never_hides_rows(tmp_path: Path) -> None:
    """No checksum covers what a footer says of its row groups; their rows are looked at together."""
    part = write_part(tmp_path, NUMBERS, numbers(range(2 * NUMBERS.row_group_rows + 1)))
    sound, path = (tmp_path / part.name).read_bytes(), tmp_path / "flipped"
    footer = int.from_bytes(sound[-8:-4], "little") + 8
    for place in range(len(sound) - footer, len(sound) - 8):
        for bit in range(8):
            path.write_bytes(sound[:place] + bytes([sound[place] ^ 1 << bit]) + sound[place + 1 :])
            with suppress(OSError, ValueError, pa.ArrowException):
                assert sum(batch.num_rows for batch in read_batches([path])) == part.rows
