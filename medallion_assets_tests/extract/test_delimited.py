"""Laws of CSV and TSV: what a strict writer wrote is read row for row; a broken grammar is an error."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from medallion_assets.extract import compression
from medallion_assets.extract.containers import read_records
from medallion_assets.extract.limits import Limits
from medallion_assets.extract.raw import HEAD_BYTES, RawRecord, UnreadableContainer
from medallion_assets_tests.real_data import real_data

FIELDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | st.sampled_from(
    ['"', '""', ",", "\n", "\r\n", "a\rb", "\t", "\u2028", "\0", " ", 'a"b', "\ufeff"]
)
CHUNKS = st.integers(1, 9)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("delimited")


def records_of(
    folder: Path,
    content: bytes,
    name: str = "a.csv",
    *,
    columns: Sequence[str] | None = None,
    chunk_bytes: int = 1 << 20,
    limit: int = 1 << 20,
) -> list[RawRecord]:
    path = folder / "bytes"
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(compression, "CHUNK_BYTES", chunk_bytes)
        return list(read_records(path, name=name, columns=columns, limits=Limits(record_bytes=limit)))


@given(
    rows=st.lists(st.lists(FIELDS, min_size=3, max_size=3), max_size=6),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    ending=st.sampled_from(["\n", "\r\n"]),
    chunk_bytes=CHUNKS,
)
@settings(max_examples=300)
def test_what_a_csv_writer_wrote_is_read_at_its_place(
    folder: Path, rows: list[list[str]], quoting: int, ending: str, chunk_bytes: int
) -> None:
    if any("\r" in field for row in rows for field in row):  # which the minimal writer leaves bare
        quoting = csv.QUOTE_ALL
    texts, places = [], []
    for row in [["x", "y", "z"], *rows]:
        file = io.StringIO(newline="")
        csv.writer(file, quoting=quoting, lineterminator=ending).writerow(row)
        before = "".join(texts)
        places.append((before.count("\n") + 1, len(before.encode())))
        texts.append(file.getvalue())
    records = records_of(folder, "".join(texts).encode(), chunk_bytes=chunk_bytes)
    assert [list(json.loads(record.raw).items()) for record in records] == [
        list(zip("xyz", row, strict=True)) for row in rows
    ]
    assert [(record.line, record.byte_offset) for record in records] == places[1:]


@given(text=st.text('",\n\r a', max_size=12), chunk_bytes=CHUNKS)
@settings(max_examples=400)
def test_whatever_is_read_as_csv_is_what_pythons_strict_reader_reads(
    folder: Path, text: str, chunk_bytes: int
) -> None:
    content = f"x,y\n{text}".encode()
    try:
        records = records_of(folder, content, chunk_bytes=chunk_bytes)
    except UnreadableContainer as error:
        assert error.reason == "broken_csv"  # noqa: PT017
        assert '"' in text or "\r" in text
        return
    rows = list(csv.reader(io.StringIO(text.removesuffix("\r"), newline=""), strict=True))
    assert [json.loads(record.raw) for record in records if record.defect is None] == [
        dict(zip("xy", row, strict=True)) for row in rows if len(row) == 2
    ]
    assert len(records) == sum(row != [] for row in rows)


@given(
    rows=st.lists(st.lists(FIELDS, min_size=2, max_size=2), max_size=6),
    ending=st.sampled_from(["\n", "\r\n"]),
    chunk_bytes=CHUNKS,
)
@settings(max_examples=150)
def test_tsv_has_no_quotes(folder: Path, rows: list[list[str]], ending: str, chunk_bytes: int) -> None:
    assume(not any(set(field) & set("\t\n\r") for row in rows for field in row))
    assume(not (rows and rows[0][0].startswith("\ufeff")))
    text = "".join("\t".join(row) + ending for row in rows)
    records = records_of(folder, text.encode(), "a.tsv", columns=("x", "y"), chunk_bytes=chunk_bytes)
    assert [json.loads(record.raw) for record in records] == [
        dict(zip("xy", row, strict=True)) for row in rows
    ]
    assert [record.line for record in records] == [*range(1, len(rows) + 1)]


def test_a_row_is_a_compact_object_in_column_order(folder: Path) -> None:
    content = b'\xef\xbb\xbfb,a\r\n"1, ""x""\n",\xc3\xa9\r\n'
    assert records_of(folder, content) == [RawRecord('{"b":"1, \\"x\\"\\n","a":"é"}'.encode(), 2, 8)]


def test_a_defective_row_keeps_its_own_text(folder: Path) -> None:
    content = b'x,y\n1,"2\n",3\r\n"\xff",2\n' + b"4," + b"5" * 200_000 + b"\n6,7"
    assert records_of(folder, content, limit=200_001) == [
        RawRecord(b'1,"2\n",3', 2, 4, "ragged_row: 3 fields, the header has 2"),
        RawRecord(b'"\xff",2', 4, 14, "invalid_utf8: byte 1 of the row is not UTF-8"),
        RawRecord(
            b"4," + b"5" * (HEAD_BYTES - 2),
            5,
            20,
            "too_large: the record has 200002 bytes; at most 200001 are read",
        ),
        RawRecord(b'{"x":"6","y":"7"}', 6, 200_023),
    ]


def test_declared_columns_mean_that_there_is_no_header(folder: Path) -> None:
    assert records_of(folder, b"1,2\n3", columns=("x", "y")) == [
        RawRecord(b'{"x":"1","y":"2"}', 1, 0),
        RawRecord(b"3", 2, 4, "ragged_row: 1 fields, the source declares 2"),
    ]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (
            b'x,y\n1,"2\n\n',
            "broken_csv: a quote in the row that begins on line 2 (byte 4) is not closed by the end",
        ),
        (b'x,y\n"1\n",2"\n"', "broken_csv: line 3 (byte 10): a quote inside a field or text after one"),
        (b"x,y\n1\r2,3\n", "broken_csv: line 2 (byte 5): a carriage return in a field"),
        (b"x,y,x\n", "duplicate_header: line 1: column 3 has the name of column 1"),
        (b"\nx, \n", "empty_header: line 2: column 2 has no name"),
        (b"x,\xe9\n", "unsupported_encoding: line 1: byte 2 of the header is not UTF-8"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("chunk_bytes", [1, 2, 100])
def test_a_broken_file_says_where(folder: Path, content: bytes, error: str, chunk_bytes: int) -> None:
    with pytest.raises(UnreadableContainer) as raised:
        records_of(folder, content, chunk_bytes=chunk_bytes)
    assert str(raised.value) == error


def test_the_real_csv_and_tsv_are_read_whole() -> None:
    truthful = real_data("evals/TruthfulQA.csv")
    rows = list(csv.DictReader(io.StringIO(truthful.read_text(encoding="utf-8-sig"), newline="")))
    assert [json.loads(record.raw) for record in read_records(truthful, name="x.csv")] == rows
    gsm8k = real_data("sft/flan_cot_gsm8k_train.tsv")
    columns = ("question", "answer", "rationale")
    records = list(read_records(gsm8k, name=gsm8k.name, columns=columns))
    assert (len(records), {record.defect for record in records}) == (7473, {None})
    assert tuple(json.loads(records[0].raw)) == columns
