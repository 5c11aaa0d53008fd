"""Laws of Parquet: each row's values in JSON, in order; bad text is that row's matter; damage is an error."""

from __future__ import annotations

import base64
import datetime as dt
import io
import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.extract.containers import read_records
from medallion_assets.extract.raw import RawRecord, UnreadableContainer
from medallion_assets_tests.extract.compressions import COMPRESSIONS
from medallion_assets_tests.real_data import real_data


def parquet(table: pa.Table, **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def records_of(folder: Path, content: bytes, suffix: str = "", **options: Any) -> list[RawRecord]:
    path = folder / "bytes"
    path.write_bytes(COMPRESSIONS[suffix](content))
    return list(read_records(path, name="a.parquet" + suffix, **options))


NOON = dt.datetime(2024, 2, 29, 12, 30, 1, 5)
VALUES = {
    "text": (pa.array(["é\u2028\0"]), "é\u2028\0"),
    "null": (pa.array([None], pa.string()), None),
    "integer": (pa.array([2**64 - 1], pa.uint64()), 2**64 - 1),
    "boolean": (pa.array([True]), True),
    "float": (pa.array([0.1]), 0.1),
    "NaN": (pa.array([float("nan")]), None),
    "infinity": (pa.array([[float("-inf"), 1.0]]), [None, 1.0]),
    "decimal": (pa.array([Decimal("1.50")]), "1.50"),
    "bytes": (pa.array([b"\xff\0"]), base64.b64encode(b"\xff\0").decode()),
    "date": (pa.array([NOON.date()]), "2024-02-29"),
    "time": (pa.array([5], pa.time64("ns")), "00:00:00.000000005"),
    "timestamp": (pa.array([NOON], pa.timestamp("us")), "2024-02-29T12:30:01.000005"),
    "nanoseconds": (pa.array([1], pa.timestamp("ns")), "1970-01-01T00:00:00.000000001"),
    "zone": (pa.array([NOON], pa.timestamp("us", "Asia/Tokyo")), "2024-02-29T12:30:01.000005Z"),
    "unknown zone": (pa.array([NOON], pa.timestamp("us", "No/Where")), "2024-02-29T12:30:01.000005Z"),
    "far date": (pa.array([10**7], pa.int32()).cast(pa.date32()), "29349-01-26"),
    "list": (pa.array([["a", None]]), ["a", None]),
    "struct": (pa.array([{"b": 1, "a": [{"c": "d"}]}]), {"b": 1, "a": [{"c": "d"}]}),
    "map": (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), [["k", 1]]),
    "dictionary": (pa.array(["a"]).dictionary_encode(), "a"),
    "times within": (
        pa.array(
            [[{"t": NOON, "s": "1 2"}]], pa.list_(pa.struct([("t", pa.timestamp("us")), ("s", pa.string())]))
        ),
        [{"t": "2024-02-29T12:30:01.000005", "s": "1 2"}],
    ),
}


@pytest.mark.parametrize(("column", "expected"), VALUES.values(), ids=VALUES)
def test_a_value_reads_in_json(tmp_path: Path, column: pa.Array, expected: Any) -> None:
    [record] = records_of(tmp_path, parquet(pa.table({"x": column})))
    assert (json.loads(record.raw), record[1:]) == ({"x": expected}, (1, 0, None))


@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {"b": st.none() | st.text(st.characters(exclude_categories=["Cs"])), "a": st.integers(0, 9)}
        ),
        max_size=30,
    ),
    group_rows=st.integers(1, 10),
)
@settings(max_examples=60)
def test_rows_come_in_order_and_columns_too(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], group_rows: int
) -> None:
    table = pa.Table.from_pylist(rows, pa.schema([("b", pa.string()), ("a", pa.int64())]))
    records = records_of(tmp_path_factory.mktemp("rows"), parquet(table, row_group_size=group_rows))
    assert [list(json.loads(record.raw).items()) for record in records] == [
        [("b", row["b"]), ("a", row["a"])] for row in rows
    ]
    assert [record.line for record in records] == [*range(1, len(rows) + 1)]


def bad_text(*values: bytes | None) -> pa.Array:
    array = pa.array(values, pa.binary())
    return pa.Array.from_buffers(pa.string(), len(array), array.buffers())


def test_bad_text_is_shown_in_its_own_row_only(tmp_path: Path) -> None:
    nested = pa.StructArray.from_arrays([bad_text(b"a", b"b", b"\xc3(", None)], ["y"])
    table = pa.table(
        {
            "n": [1, 2, 3, 4],
            "when": pa.array([NOON] * 4, pa.timestamp("s")),
            "bytes": pa.array([b"\xff"] * 4),
            "t'x": bad_text(b"a", b"\xff\\", b"b", "é".encode()),
            "list": pa.ListArray.from_arrays([0, 1, 2, 3, 4], nested),
        }
    )
    head = '"when":"2024-02-29T12:30:01.000","bytes":"/w=="'
    assert records_of(tmp_path, parquet(table)) == [
        RawRecord(f'{{"n":1,{head},"t\'x":"a","list":[{{"y":"a"}}]}}'.encode(), 1, 0),
        RawRecord(
            f'{{"n":2,{head},"t\'x":"\\\\xff\\\\","list":[{{"y":"b"}}]}}'.encode(),
            2,
            0,
            'invalid_utf8: column "t\'x"',
        ),
        RawRecord(
            f'{{"n":3,{head},"t\'x":"b","list":[{{"y":"\\\\xc3("}}]}}'.encode(),
            3,
            0,
            "invalid_utf8: column 'list'",
        ),
        RawRecord(f'{{"n":4,{head},"t\'x":"é","list":[{{"y":null}}]}}'.encode(), 4, 0),
    ]


def test_a_flipped_bit_in_checked_parquet_never_changes_the_rows(tmp_path: Path) -> None:
    table = pa.table({"q": [f"text {n}" for n in range(200)], "s": [{"x": n} for n in range(200)]})
    good = parquet(table, row_group_size=70, write_page_checksum=True)
    rows = records_of(tmp_path, good)
    chance = random.Random(7)
    for _ in range(300):
        damaged = bytearray(good)
        damaged[chance.randrange(4, len(good))] ^= 1 << chance.randrange(8)
        try:
            assert records_of(tmp_path, bytes(damaged)) == rows
        except UnreadableContainer as error:
            assert error.reason == "broken_parquet"  # noqa: PT017


def test_parquet_cut_short_anywhere_is_broken(tmp_path: Path) -> None:
    good = parquet(pa.table({"q": ["a", "b"]}))
    for end in range(len(good)):
        with pytest.raises(UnreadableContainer, match="broken_parquet"):
            records_of(tmp_path, good[:end])


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_compressed_parquet_leaves_nothing_in_the_scratch_folder(tmp_path: Path, suffix: str) -> None:
    content = parquet(pa.table({"q": ["a"] * 5000}))
    scratch = tmp_path / "scratch"
    records = read_records(_written(tmp_path, content, suffix), name="x", scratch=scratch)
    assert next(records) == RawRecord(b'{"q":"a"}', 1, 0)
    assert list(scratch.iterdir()) == []
    assert [next(records).line, *(record.line for record in records)] == [*range(2, 5001)]


def _written(folder: Path, content: bytes, suffix: str) -> Path:
    path = folder / "compressed"
    path.write_bytes(COMPRESSIONS[suffix](content))
    return path


def test_a_disk_that_fails_is_no_defect_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "scratch").write_bytes(b"a file where the folder should be")
    path = _written(tmp_path, parquet(pa.table({"q": ["a"]})), ".gz")
    with pytest.raises(FileExistsError):
        read_records(path, name="x", scratch=tmp_path / "scratch")


def test_the_real_nested_parquet_is_what_arrow_says() -> None:
    path = real_data("rl_prompts/logic_rl_kk_5ppl_train.parquet")
    records = list(read_records(path, name=path.name))
    assert [json.loads(record.raw) for record in records] == pq.read_table(path).to_pylist()
