"""Bad input has exactly the outcomes that the catalogue says, whatever it is compressed with."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from medallion_assets.extract.ingest import bronze_rows
from medallion_assets.extract.inventory import Export
from medallion_assets.extract.limits import Limits
from medallion_assets.storage.store import WriteInstead
from medallion_assets_tests.conform.rows import DAY, EXPORT
from medallion_assets_tests.extract.bad_input import (
    COMPRESSED,
    FILES,
    LIMITS,
    LINES,
    OK,
    RECORDS,
    outcomes,
    parquet,
)
from medallion_assets_tests.extract.compressions import COMPRESSIONS, gzipped


@pytest.mark.parametrize("suffix", COMPRESSIONS)
@pytest.mark.parametrize(("record", "outcome"), RECORDS.values(), ids=RECORDS)
def test_a_bad_record_falls_out_alone(tmp_path: Path, record: bytes, outcome: str, suffix: str) -> None:
    compress = COMPRESSIONS[suffix]
    path = tmp_path / "export"
    expected = ["1 ok", f"2 {outcome}", "3 ok"]
    path.write_bytes(compress(b"\n".join([OK, record, OK])))
    assert outcomes(path, "a.jsonl" + suffix) == expected
    path.write_bytes(compress(b"[" + b",\n".join([OK, record, OK]) + b"]"))
    assert outcomes(path, "a.json" + suffix) == expected


@pytest.mark.parametrize("suffix", COMPRESSIONS)
@pytest.mark.parametrize(("name", "content", "expected"), FILES.values(), ids=FILES)
def test_a_bad_file_has_exactly_these_outcomes(
    tmp_path: Path, name: str, content: bytes, expected: list[str], suffix: str
) -> None:
    path = tmp_path / "export"
    path.write_bytes(COMPRESSIONS[suffix](content))
    assert outcomes(path, name + suffix) == expected


@pytest.mark.parametrize(("name", "content", "reason"), COMPRESSED.values(), ids=COMPRESSED)
def test_a_bad_compression_quarantines_the_whole_export(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    path = tmp_path / "export"
    path.write_bytes(content)
    assert outcomes(path, name) == [f"0 {reason}"]


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_an_export_that_unpacks_to_too_much_is_quarantined(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "export"
    path.write_bytes(COMPRESSIONS[suffix](LINES))
    allowed, short = Limits(decompressed_bytes=len(LINES)), Limits(decompressed_bytes=len(LINES) - 1)
    assert outcomes(path, "a.jsonl" + suffix, limits=allowed) == [f"{line} ok" for line in range(1, 501)]
    assert outcomes(path, "a.jsonl" + suffix, limits=short) == ["0 too_large_decompressed"]


def test_a_small_export_may_be_as_repetitive_as_it_likes(tmp_path: Path) -> None:
    path = tmp_path / "export"
    path.write_bytes(gzipped(b"[" + b" " * (60 << 20) + OK + b"]"))
    assert outcomes(path, "a.json.gz") == ["1 ok"]


def test_parquet_that_decodes_to_too_much_is_quarantined(tmp_path: Path) -> None:
    path = tmp_path / "export"
    path.write_bytes(parquet({"output": pa.repeat("x" * 50_000, 2000)}))
    assert outcomes(path, "a.parquet") == ["0 compression_ratio"]
    wide = Limits(compression_ratio=1 << 40, decompressed_bytes=50_000 * 1000)
    assert outcomes(path, "a.parquet", limits=wide) == ["0 too_large_decompressed"]


SECRET = b"hunter2"
QUOTING = {
    "csv.csv": b"a,b\n1," + SECRET + b'"x"\n',
    "ragged.csv": b"a,b\n" + SECRET + b"\n",
    "header.csv": SECRET + b"," + SECRET + b"\n",
    "utf8.csv": b"a,b\n" + SECRET + b",\xff\n",
    "array.json": b"[1] " + SECRET,
    "long.jsonl": b"x" * 100_001 + SECRET,
    "parquet.parquet": b"PAR1" + SECRET * 9 + b"PAR1",
    "gzip.gz": b"\x1f\x8b" + SECRET * 9,
}


@pytest.mark.parametrize(("name", "content"), QUOTING.items(), ids=QUOTING)
def test_a_defect_never_quotes_the_file(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / "export"
    path.write_bytes(content)
    export = Export(EXPORT, name, DAY, len(content), path)
    try:
        tables = list(bronze_rows(export, path, source="feed", limits=LIMITS))
    except WriteInstead as instead:
        tables = list(instead.rows)
    [defect] = [row["defect"] for table in tables for row in table.to_pylist()]
    assert SECRET.decode() not in defect
    assert any(character.isdigit() for character in defect)  # it says where
