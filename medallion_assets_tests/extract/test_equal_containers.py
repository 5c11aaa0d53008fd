"""The law of containers: the same records come out of each of them, in bounded memory."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.extract import compression
from medallion_assets.extract.containers import read_records
from medallion_assets_tests.extract.compressions import COMPRESSIONS

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
ROWS = st.lists(st.fixed_dictionaries({"x": TEXTS, "y": TEXTS}), max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("equal")


def values_of(folder: Path, content: bytes, name: str, chunk_bytes: int) -> list[Any]:
    path = folder / "bytes"
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(compression, "CHUNK_BYTES", chunk_bytes)
        records = list(read_records(path, name=name))
    assert {record.defect for record in records} <= {None}
    return [json.loads(record.raw) for record in records]


@given(
    values=st.lists(VALUES, max_size=5), indent=st.none() | st.integers(0, 2), chunk_bytes=st.integers(1, 20)
)
@settings(max_examples=60)
def test_json_is_the_same_in_lines_and_arrays(
    folder: Path, values: list[Any], indent: int | None, chunk_bytes: int
) -> None:
    lines = "".join(json.dumps(value) + "\n" for value in values).encode()
    array = json.dumps(values, indent=indent, ensure_ascii=False).encode()
    for suffix, compress in COMPRESSIONS.items():
        assert values_of(folder, compress(lines), "a.jsonl" + suffix, chunk_bytes) == values
        assert values_of(folder, compress(array), "a.json" + suffix, chunk_bytes) == values


@given(rows=ROWS, chunk_bytes=st.integers(1, 20))
@settings(max_examples=60)
def test_rows_are_the_same_in_csv_and_parquet(
    folder: Path, rows: list[dict[str, str]], chunk_bytes: int
) -> None:
    table, text = io.BytesIO(), io.StringIO(newline="")
    pq.write_table(pa.Table.from_pylist(rows, pa.schema([("x", pa.string()), ("y", pa.string())])), table)
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerows([["x", "y"], *([row["x"], row["y"]] for row in rows)])
    for suffix, compress in COMPRESSIONS.items():
        assert values_of(folder, compress(table.getvalue()), "a.parquet" + suffix, chunk_bytes) == rows
        assert values_of(folder, compress(text.getvalue().encode()), "a.csv" + suffix, chunk_bytes) == rows


@given(value=st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4), chunk_bytes=st.integers(1, 20))
@settings(max_examples=60)
def test_an_indented_document_is_one_record(folder: Path, value: dict[str, Any], chunk_bytes: int) -> None:
    content = ("\n " + json.dumps(value, indent=1) + "\n").encode()
    for suffix, compress in COMPRESSIONS.items():
        assert values_of(folder, compress(content), "a.json" + suffix, chunk_bytes) == [value]


PEAK = """
import resource, sys
from pathlib import Path
from medallion_assets.extract.containers import read_records
from medallion_assets.extract.limits import Limits
limits = Limits(compression_ratio=1 << 40)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
records = sum(1 for _ in read_records(Path(sys.argv[1]), name=Path(sys.argv[1]).name, limits=limits))
print(records, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""
MIB = 1 << 20
ROW = b'{"instruction":"' + b"abcdefgh" * 8 + b'","output":"b"}'
LONG = b"abcdefghijklmnop" * (300 * MIB // 16)
LARGE = {
    "a.jsonl.zst": (lambda: (ROW + b"\n") * (300 * MIB // len(ROW)), 300 * MIB // len(ROW)),
    "b.jsonl.gz": (lambda: LONG + b"\n1", 2),
    "a.json.gz": (lambda: b'["' + LONG + b'",1]', 2),
    "b.json": (lambda: b'{\n"x":"' + LONG + b'"}', 1),
    "a.csv.gz": (lambda: b'x\n"' + LONG + b'"\n1', 2),
    "b.csv": (lambda: b'x\n"' + b"\n".join([LONG[: 150 * MIB]] * 2) + b'"\n1', 2),
}


@pytest.mark.parametrize("name", LARGE)
def test_300_mib_are_read_in_far_less_memory(tmp_path: Path, name: str) -> None:
    make, records = LARGE[name]
    path = tmp_path / name
    path.write_bytes(COMPRESSIONS[Path(name).suffix if name.count(".") == 2 else ""](make()))
    found = subprocess.run(
        [sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True
    )
    number, peak_mib = map(int, found.stdout.split())
    assert number == records
    assert peak_mib < 160
