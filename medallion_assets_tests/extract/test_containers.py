"""Laws of containers: exact records at their places, gzipped or not; damage is never fewer records."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from medallion_assets.extract import compression
from medallion_assets.extract.containers import RawRecord, UnreadableContainer, read_records
from medallion_assets_tests.extract.compressions import is_text

BOM = b"\xef\xbb\xbf"
# What a line may hold: anything but LF, with what other readers take for line ends.
LINES = st.lists(
    st.binary(max_size=8).map(lambda raw: raw.replace(b"\n", b""))
    | st.sampled_from(
        [
            b"",
            b" ",
            b'{"a": 1}',
            "\u2028\u2029\x85x".encode(),
            b"\x0b\x0c\x1cx",
            b'\t{"b": 2} ',
            b"a\rb",
            b"\xff\xff",
            b"\0",
        ]
    ),
    max_size=8,
)


def write(folder: Path, content: bytes, name: str = "a.jsonl") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def records_of(folder: Path, content: bytes, name: str = "a.jsonl") -> list[RawRecord]:
    return list(read_records(write(folder, content, "bytes"), name=name))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("containers")


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks so small that records and line ends fall across them."""
    monkeypatch.setattr(compression, "CHUNK_BYTES", 5)


@given(lines=LINES, bom=st.booleans(), ending=st.sampled_from([b"\n", b"\r\n"]), last=st.booleans())
@pytest.mark.usefixtures("small_chunks")
@settings(max_examples=150)
def test_lines_are_records_with_their_number_and_offset(
    folder: Path, lines: list[bytes], bom: bool, ending: bytes, last: bool
) -> None:
    content = BOM * bom + ending.join(lines) + ending * last
    assume(is_text(content))
    records = records_of(folder, content)
    expected = [(line.strip(b" \t\r"), number) for number, line in enumerate(lines, 1)]
    if bom or not content.startswith(BOM):
        assert [(record.raw, record.line) for record in records] == [pair for pair in expected if pair[0]]
    assert all(content[r.byte_offset : r.byte_offset + len(r.raw)] == r.raw for r in records)
    assert all(content[: r.byte_offset].count(b"\n") == r.line - 1 for r in records)


@given(
    values=st.lists(st.dictionaries(st.text(max_size=3), st.integers(), max_size=2), max_size=5),
    data=st.data(),
)
@pytest.mark.usefixtures("small_chunks")
@settings(max_examples=80)
def test_elements_of_an_array_are_records_with_their_line_and_offset(
    folder: Path, values: list[dict[str, int]], data: st.DataObject
) -> None:
    indent = data.draw(st.none() | st.integers(0, 2))
    before = data.draw(st.sampled_from([b"", BOM, b"\n\n", BOM + b"\n"]))
    content = before + json.dumps(values, indent=indent).encode() + b"\n"
    records = records_of(folder, content, "a.json")
    assert [json.loads(record.raw) for record in records] == values
    assert all(content[r.byte_offset : r.byte_offset + len(r.raw)] == r.raw for r in records)
    assert [record.line for record in records] == [
        content[: record.byte_offset].count(b"\n") + 1 for record in records
    ]


def outcome_of(folder: Path, content: bytes, name: str) -> list[RawRecord] | str:
    """The records, or why there are none."""
    try:
        return records_of(folder, content, name)
    except UnreadableContainer as error:
        return str(error)


@given(
    content=st.binary(max_size=60) | st.sampled_from([b"[1, 2]", b"[1, 2", b"1\n2"]), level=st.integers(0, 9)
)
@settings(max_examples=80)
def test_gzip_changes_nothing(folder: Path, content: bytes, level: int) -> None:
    assume(is_text(content))
    plain = outcome_of(folder, content, "a.json")
    gzipped = gzip.compress(content, level)
    assert outcome_of(folder, gzipped, "a.json.gz") == plain


def test_gzip_members_follow_one_another(folder: Path) -> None:
    content = gzip.compress(b"1\n2") + gzip.compress(b"3\n") + b"\0" * 7
    assert [record.raw for record in records_of(folder, content)] == [b"1", b"23"]


GZIPPED = {
    "lines": gzip.compress(b'{"a": 1}\n' * 50 + b'{"b": 2}'),
    "array": gzip.compress(json.dumps([{"a": n} for n in range(50)]).encode()),
    "named": bytes([31, 139, 8, 8, 0, 0, 0, 0, 2, 3]) + b"a.jsonl\0" + gzip.compress(b"1\n2\n3")[10:],
}


@pytest.mark.parametrize("content", GZIPPED.values(), ids=GZIPPED)
@pytest.mark.parametrize("name", ["a.jsonl.gz", "A.JSON.GZ"])
def test_gzip_cut_short_anywhere_is_unreadable(folder: Path, content: bytes, name: str) -> None:
    for end in range(len(content)):
        with pytest.raises(UnreadableContainer, match="truncated_gzip"):
            records_of(folder, content[:end], name)


def test_a_stub_of_gzip_under_a_plain_name_is_not_dropped(folder: Path) -> None:
    assert records_of(folder, b"\x1f", "a.jsonl") == [RawRecord(b"\x1f", 1, 0)]
    for end in range(2, len(GZIPPED["lines"])):
        with pytest.raises(UnreadableContainer, match="truncated_gzip"):
            records_of(folder, GZIPPED["lines"][:end], "a.jsonl")


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=150)
def test_a_flipped_bit_in_gzip_never_changes_the_records(folder: Path, place: float, bit: int) -> None:
    good = GZIPPED["lines"]
    damaged = bytearray(good)
    damaged[2 + int(place * (len(good) - 2))] ^= 1 << bit
    outcome = outcome_of(folder, bytes(damaged), "a.jsonl.gz")
    if isinstance(outcome, str):
        assert outcome.split(":")[0] in ("corrupt_gzip", "truncated_gzip")
    else:
        assert outcome == records_of(folder, good)


@pytest.mark.parametrize("place", [-8, -4], ids=["crc", "length"])
def test_a_wrong_checksum_or_length_is_corrupt(folder: Path, place: int) -> None:
    damaged = bytearray(GZIPPED["lines"])
    damaged[place] ^= 1
    with pytest.raises(UnreadableContainer, match="corrupt_gzip"):
        records_of(folder, bytes(damaged))


@pytest.mark.parametrize("junk", [b"x", b"{}\n", b"\x1f\x8b\x07", zlib.compress(b"1")], ids=repr)
def test_junk_after_gzip_is_corrupt(folder: Path, junk: bytes) -> None:
    with pytest.raises(UnreadableContainer, match="_gzip"):
        records_of(folder, gzip.compress(b"1\n") + junk)


@pytest.mark.parametrize("content", [b"", BOM, b"\n", b" \t\r\n\r\n", BOM + b"\n"], ids=repr)
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a"])
def test_an_export_without_text_has_no_records(folder: Path, content: bytes, name: str) -> None:
    assert records_of(folder, content, name) == []
    assert records_of(folder, gzip.compress(content), f"{name}.gz") == []


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "A.JSONL", "x/a.jsonl.gz"])
def test_a_name_that_promises_lines_is_read_as_lines(folder: Path, name: str) -> None:
    assert records_of(folder, b"[1,\n2]", name) == [RawRecord(b"[1,", 1, 0), RawRecord(b"2]", 2, 4)]


@pytest.mark.parametrize("name", ["a.json", "a", "a.txt", "jsonl", "a.jsonl.json"])
def test_other_names_are_read_by_their_first_character(folder: Path, name: str) -> None:
    assert records_of(folder, b"\n [1,\n2]", name) == [RawRecord(b"1", 2, 3), RawRecord(b"2", 3, 6)]
    assert records_of(folder, b"1\n[2]", name) == [RawRecord(b"1", 1, 0), RawRecord(b"[2]", 2, 2)]


@pytest.mark.parametrize("content", [b"[1, 2", b"[1] [2]", b"[1}"], ids=repr)
def test_a_broken_array_is_unreadable_as_a_whole(folder: Path, content: bytes) -> None:
    with pytest.raises(UnreadableContainer, match="broken_json_array"):
        records_of(folder, content, "a.json")


def test_a_mark_within_the_text_is_content(folder: Path) -> None:
    assert [record.raw for record in records_of(folder, BOM + b"1\n" + BOM + b"2")] == [b"1", BOM + b"2"]


def test_a_long_line_is_one_record(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "CHUNK_BYTES", 1000)
    assert records_of(folder, b"x" * 100_001 + b"\ny") == [
        RawRecord(b"x" * 100_001, 1, 0),
        RawRecord(b"y", 2, 100_002),
    ]
