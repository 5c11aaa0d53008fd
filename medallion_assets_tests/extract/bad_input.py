"""The catalogue of bad input: for each fault, exactly which rows go on and why the others don't.

An outcome is "LINE ok" or "LINE reason"; line 0 is the whole export.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from medallion_assets.extract.ingest import bronze_rows
from medallion_assets.extract.inventory import Export
from medallion_assets.extract.limits import Limits
from medallion_assets.storage.store import WriteInstead
from medallion_assets_tests.conform.rows import DAY, EXPORT, conformed
from medallion_assets_tests.extract.compressions import gzipped, zstd

OK = b'{"instruction":"a","output":"b"}'
BOM = b"\xef\xbb\xbf"
LIMITS = Limits(record_bytes=100_000, decompressed_bytes=100 << 20, compression_ratio=250)
HEADER = b"instruction,output\n"
COLUMNS = HEADER.strip().replace(b",", b"\t") + b"\n"


def with_output(output: bytes) -> bytes:
    return b'{"instruction":"a","output":"' + output + b'"}'


def with_value(value: bytes) -> bytes:
    return b'{"instruction":"a","output":"b","x":' + value + b"}"


def parquet(columns: dict[str, Any] | pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def not_utf8(*values: bytes) -> pa.Array:
    """A string column that Arrow itself would not have made."""
    return pa.Array.from_buffers(pa.string(), len(values), pa.array(values, pa.binary()).buffers())


def outcomes(
    path: Path, name: str, *, limits: Limits = LIMITS, columns: Sequence[str] | None = None
) -> list[str]:
    export = Export(EXPORT, name, DAY, path.stat().st_size, path)
    try:
        tables = list(bronze_rows(export, path, source="feed", limits=limits, columns=columns))
    except WriteInstead as instead:
        tables = list(instead.rows)
    bronze = [row for table in tables for row in table.to_pylist()]
    assert [row["record_number"] for row in bronze] in ([0], [*range(1, len(bronze) + 1)])
    rows, rejects = conformed("alpaca", bronze)
    found = [(row["record_number"], f"{row['line']} ok") for row in rows]
    found += [(reject["record_number"], f"{reject['line']} {reject['reason']}") for reject in rejects]
    return [outcome for _, outcome in sorted(found)]


# One record of a text, with a good one before and after it: what becomes of it.
RECORDS = {
    "invalid UTF-8": (with_output(b"\xff"), "invalid_utf8"),
    "latin-1": (with_output("é".encode("latin-1")), "invalid_utf8"),
    "overlong UTF-8": (with_output(b"\xc0\xaf"), "invalid_utf8"),
    "UTF-8 cut short": (with_output("é".encode()[:1]), "invalid_utf8"),
    "beyond Unicode": (with_output(b"\xf4\x90\x80\x80"), "invalid_utf8"),
    "lone surrogate as bytes": (with_output(b"\xed\xa0\x80"), "invalid_utf8"),
    "lone surrogate as escape": (with_output(rb"\ud800"), "invalid_json"),
    "surrogates the wrong way round": (with_output(rb"\udc00\ud800"), "invalid_json"),
    "surrogate pair": (with_output(rb"\ud83d\ude00"), "ok"),
    "NUL as escape": (with_output(rb"x\u0000"), "ok"),
    "NUL as byte": (with_output(b"x\0"), "invalid_json"),
    "NUL around": (b"\0" + OK, "invalid_json"),
    "tab in a string": (with_output(b"x\ty"), "invalid_json"),
    "CR in a string": (with_output(b"x\ry"), "invalid_json"),
    "U+2028": (with_output("x\u2028\u2029\x85y".encode()), "ok"),
    "byte order mark again": (BOM + OK, "invalid_json"),
    "trailing junk": (OK + b" junk", "invalid_json"),
    "two objects on a line": (OK + OK, "invalid_json"),
    "duplicate keys": (b'{"instruction":"a","output":"b","output":"c"}', "duplicate_key"),
    "duplicate keys within": (with_value(b'[{"k":1,"k":1}]'), "duplicate_key"),
    "duplicate keys by escape": (rb'{"instruction":"a","output":"b","\u006futput":"c"}', "duplicate_key"),
    "NaN": (with_value(b"NaN"), "invalid_json"),
    "Infinity": (with_value(b"-Infinity"), "invalid_json"),
    "1e999": (with_value(b"1e999"), "invalid_json"),
    "integer of 20 digits": (with_value(b"1" * 20), "ok"),
    "leading zero": (with_value(b"01"), "invalid_json"),
    "hexadecimal": (with_value(b"0x1"), "invalid_json"),
    "bare word": (with_value(b"undefined"), "invalid_json"),
    "single quotes": (b"{'instruction':'a','output':'b'}", "invalid_json"),
    "comment": (OK + b"//x", "invalid_json"),
    "bad escape": (with_output(rb"\x41"), "invalid_json"),
    "nested 99 deep": (with_value(b"[" * 99 + b"]" * 99), "ok"),
    "nested 100 deep": (with_value(b"[" * 100 + b"]" * 100), "too_deep"),
    "nested 40000 deep": (with_value(b"[" * 40_000 + b"]" * 40_000), "too_deep"),
    "objects nested 10000 deep": (with_value(b'{"":' * 10_000 + b"1" + b"}" * 10_000), "too_deep"),
    "number for text": (b'{"instruction":"a","output":1}', "wrong_type"),
    "null for text": (b'{"instruction":"a","output":null}', "wrong_type"),
    "array for text": (b'{"instruction":["a"],"output":"b"}', "wrong_type"),
    "field missing": (b'{"instruction":"a"}', "missing_field"),
    "other schema": (b'{"messages":[]}', "missing_field"),
    "row is a number": (b"1", "wrong_type"),
    "row is null": (b"null", "wrong_type"),
    "row is a string": (b'"x"', "wrong_type"),
    "row is an array": (b"[1]", "wrong_type"),
    "row is an empty object": (b"{}", "missing_field"),
    "text is empty": (with_output(b""), "empty_output"),
    "record of the limit": (with_output(b"x" * (100_000 - len(with_output(b"")))), "ok"),
    "record over the limit": (with_output(b"x" * (100_001 - len(with_output(b"")))), "too_large"),
    "record ten times the limit": (with_output(b"\\n" * 500_000), "too_large"),
}

# Any file, by name and content; each is tried compressed too.
FILES: dict[str, tuple[str, bytes, list[str]]] = {
    "nothing": ("a.jsonl", b"", []),
    "nothing but a mark": ("a.jsonl", BOM, []),
    "nothing but space": ("a.json", b" \r\n\t\n", []),
    "byte order mark": ("a.jsonl", BOM + OK + b"\n" + OK, ["1 ok", "2 ok"]),
    "byte order mark before an array": ("a.json", BOM + b"[\n" + OK + b"]", ["2 ok"]),
    "CRLF": ("a.jsonl", OK + b"\r\n" + OK + b"\r\n", ["1 ok", "2 ok"]),
    "blank lines": ("a.jsonl", b"\n\r\n" + OK + b"\n \n\n" + OK + b"\n\n", ["3 ok", "6 ok"]),
    "CR alone": ("a.jsonl", OK + b"\r" + OK, ["1 invalid_json"]),
    "object over two lines": (
        "a.jsonl",
        b'{"instruction":"a",\n"output":"b"}\n' + OK,
        ["1 invalid_json", "2 invalid_json", "3 ok"],
    ),
    "last line cut short": ("a.jsonl", OK + b"\n" + OK[:-3], ["1 ok", "2 invalid_json"]),
    "array in a file of lines": ("a.jsonl", b"[" + OK + b"]", ["1 wrong_type"]),
    "UTF-16-LE": ("a.jsonl", OK.decode().encode("utf-16"), ["0 unsupported_encoding"]),
    "UTF-16-BE": ("a.csv", b"\xfe\xff" + HEADER.decode().encode("utf-16-be"), ["0 unsupported_encoding"]),
    "UTF-32-LE": ("a.json", OK.decode().encode("utf-32"), ["0 unsupported_encoding"]),
    "UTF-32-BE": ("a.json", b"\0\0\xfe\xff" + OK.decode().encode("utf-32-be"), ["0 unsupported_encoding"]),
    "UTF-16 without mark": ("a.jsonl", OK.decode().encode("utf-16-le"), ["1 invalid_json"]),
    "array not closed": ("a.json", b"[" + OK + b",\n" + OK, ["0 broken_json_array"]),
    "array within a string": ("a.json", b'["' + OK, ["0 broken_json_array"]),
    "array closed twice": ("a.json", b"[" + OK + b"]]", ["0 broken_json_array"]),
    "array closed by a brace": ("a.json", b"[" + OK + b"}", ["0 broken_json_array"]),
    "two arrays": ("a.json", b"[" + OK + b"]\n[" + OK + b"]", ["0 broken_json_array"]),
    "text after an array": ("a.json", b"[" + OK + b"]\nx", ["0 broken_json_array"]),
    "trailing comma": ("a.json", b"[" + OK + b",]", ["1 ok", "1 invalid_json"]),
    "two commas": ("a.json", b"[" + OK + b",,\n" + OK + b"]", ["1 ok", "1 invalid_json", "2 ok"]),
    "no comma": ("a.json", b"[" + OK + b"\n" + OK + b"]", ["1 invalid_json"]),
    "document": ("a.json", b'{\n"instruction":"a",\n"output":"b"\n}\n', ["1 ok"]),
    "document cut short": ("a.json", b'\n{\n"instruction":"a",\n"output":', ["2 invalid_json"]),
    "document with text after it": ("a.json", b'{\n"instruction":"a","output":"b"}\nx', ["1 invalid_json"]),
    "document over the limit": ("a.json", b'{\n"x":"' + b"x" * 100_000 + b'"}', ["1 too_large"]),
    "lines in a .json file": ("a.json", OK + b"\n" + OK, ["1 ok", "2 ok"]),
    "lines without a name": ("a", OK + b"\n" + OK + b"x", ["1 ok", "2 invalid_json"]),
    "ragged CSV": ("a.csv", HEADER + b"a,b\na\na,b,c\na,b", ["2 ok", "3 ragged_row", "4 ragged_row", "5 ok"]),
    "quote not closed": ("a.csv", HEADER + b'a,b\na,"b\na,b\n', ["0 broken_csv"]),
    "quote inside a field": ("a.csv", HEADER + b'a,b"c\na,"b"\n', ["0 broken_csv"]),
    "two quotes inside a field": ("a.csv", HEADER + b'a,b"c"\n', ["0 broken_csv"]),
    "text after a quote": ("a.csv", HEADER + b'a,"b"c\n', ["0 broken_csv"]),
    "space before a quote": ("a.csv", HEADER + b'a, "b"\n', ["0 broken_csv"]),
    "quote escaped by a backslash": ("a.csv", HEADER + rb'a,"b\"c"' + b"\n", ["0 broken_csv"]),
    "quote inside a row that is no UTF-8": ("a.csv", HEADER + b'\xff"a","b"\n', ["0 broken_csv"]),
    "CR inside a field": ("a.csv", HEADER + b"a,b\rc,d\n", ["0 broken_csv"]),
    "line ends within quotes": (
        "a.csv",
        HEADER + b'a,"b\r\n\n\xe2\x80\xa8"\r\n"a","""b"""\r\n',
        ["2 ok", "5 ok"],
    ),
    "duplicate header": ("a.csv", b"output,output\na,b\n", ["0 duplicate_header"]),
    "empty header": ("a.csv", b",instruction,output\n0,a,b\n", ["0 empty_header"]),
    "header that is no UTF-8": ("a.csv", b"instruction,\xff\na,b\n", ["0 unsupported_encoding"]),
    "header alone": ("a.csv", HEADER, []),
    "CSV of nothing": ("a.csv", b"\n\r\n", []),
    "CSV with mark and blank lines": ("a.csv", BOM + b"\n" + HEADER + b"\na,b\n\n", ["4 ok"]),
    "invalid UTF-8 in CSV": ("a.csv", HEADER + b"a,\xff\na,b\n", ["2 invalid_utf8", "3 ok"]),
    "latin-1 in quotes": ("a.csv", HEADER + b'a,"\xe9,\n"\na,b\n', ["2 invalid_utf8", "4 ok"]),
    "NUL in CSV": ("a.csv", HEADER + b"a,x\0\n", ["2 ok"]),
    "empty field": ("a.csv", HEADER + b"a,\n", ["2 empty_output"]),
    "CSV row over the limit": (
        "a.csv",
        HEADER + b'a,"' + b"x\n" * 60_000 + b'"\na,b\n',
        ["2 too_large", "60003 ok"],
    ),
    "ragged TSV": ("a.tsv", COLUMNS + b"a\tb\na b\n\na\t\tb\n", ["2 ok", "3 ragged_row", "5 ragged_row"]),
    "quotes in TSV": ("a.tsv", COLUMNS + b'"a\t"b\na\tb"\n', ["2 ok", "3 ok"]),
    "duplicate header in TSV": ("a.tsv", b"output\tinstruction\toutput\n", ["0 duplicate_header"]),
    "TSV row over the limit": (
        "a.tsv",
        COLUMNS + b"a\t" + b"x" * 100_000 + b"\na\tb",
        ["2 too_large", "3 ok"],
    ),
    "Parquet": (
        "a.parquet",
        parquet({"instruction": ["a", "b"], "output": ["b", None]}),
        ["1 ok", "2 wrong_type"],
    ),
    "Parquet of nothing": ("a.parquet", b"", ["0 broken_parquet"]),
    "Parquet cut short": ("a.parquet", parquet({"output": ["b"]})[:-1], ["0 broken_parquet"]),
    "Parquet without its beginning": ("a.parquet", parquet({"output": ["b"]})[1:], ["0 broken_parquet"]),
    "Parquet by its magic alone": ("a.json", b"PAR1PAR1", ["0 broken_parquet"]),
    "Parquet with a wrong footer length": (
        "a.parquet",
        parquet({"output": ["b"]})[:-8] + struct.pack("<I", 1 << 30) + b"PAR1",
        ["0 broken_parquet"],
    ),
    "invalid UTF-8 in Parquet": (
        "a.parquet",
        parquet({"instruction": ["a", "a", "a"], "output": not_utf8(b"b", b"\xff", b"b")}),
        ["1 ok", "2 invalid_utf8", "3 ok"],
    ),
    "repeated column in Parquet": (
        "a.parquet",
        parquet(pa.table([["b"], ["c"]], names=["output", "output"])),
        ["0 duplicate_header"],
    ),
    "repeated field in Parquet": (
        "a.parquet",
        parquet({"x": pa.StructArray.from_arrays([[1], [2]], names=["a", "a"])}),
        ["0 duplicate_header"],
    ),
    "Parquet row over the limit": (
        "a.parquet",
        parquet({"instruction": ["a", "a"], "output": ["x" * 100_000, "b"]}),
        ["1 too_large", "2 ok"],
    ),
}


LINES = (OK + b"\n") * 500
LARGE_WINDOW = zstandard.ZstdCompressor(
    compression_params=zstandard.ZstdCompressionParameters(window_log=30)
).compressobj()
COMPRESSED: dict[str, tuple[str, bytes, str]] = {
    "gzip of no byte": ("a.jsonl.gz", b"", "truncated_gzip"),
    "gzip of one byte": ("a.jsonl.gz", gzipped(LINES)[:1], "truncated_gzip"),
    "gzip cut short": ("a.jsonl.gz", gzipped(LINES)[:-9], "truncated_gzip"),
    "gzip without its check": ("a.jsonl.gz", gzipped(LINES)[:-8], "truncated_gzip"),
    "gzip under a plain name cut short": ("a.jsonl", gzipped(LINES)[:-1], "truncated_gzip"),
    "gzip with a wrong check": (
        "a.jsonl.gz",
        gzipped(LINES)[:-8] + b"1234" + gzipped(LINES)[-4:],
        "corrupt_gzip",
    ),
    "gzip with a wrong method": ("a.jsonl.gz", b"\x1f\x8b\x07" + gzipped(LINES)[3:], "corrupt_gzip"),
    "gzip and junk": ("a.jsonl.gz", gzipped(LINES) + b"junk", "corrupt_gzip"),
    "gzip and one byte": ("a.jsonl.gz", gzipped(LINES) + b"j", "corrupt_gzip"),
    "gzip and zstd": ("a.jsonl.gz", gzipped(LINES) + zstd(LINES), "corrupt_gzip"),
    "gzip and half a member": ("a.jsonl.gz", gzipped(LINES) + gzipped(LINES)[:20], "truncated_gzip"),
    "gzip of too much": ("a.jsonl.gz", gzipped(bytes(101 << 20)), "compression_ratio"),
    "zstd of no byte": ("a.jsonl.zst", b"", "truncated_zstd"),
    "zstd of three bytes": ("a.jsonl.zst", zstd(LINES)[:3], "truncated_zstd"),
    "zstd cut short": ("a.jsonl.zst", zstd(LINES)[:-5], "truncated_zstd"),
    "zstd without its check": ("a.jsonl.zst", zstd(LINES)[:-4], "truncated_zstd"),
    "zstd under a plain name cut short": ("a.jsonl", zstd(LINES)[:-1], "truncated_zstd"),
    "zstd with a wrong check": ("a.jsonl.zst", zstd(LINES)[:-4] + b"1234", "corrupt_zstd"),
    "zstd and junk": ("a.jsonl.zst", zstd(LINES) + b"junk", "corrupt_zstd"),
    "zstd and one byte": ("a.jsonl.zst", zstd(LINES) + b"j", "corrupt_zstd"),
    "zstd and gzip": ("a.jsonl.zst", zstd(LINES) + gzipped(LINES), "corrupt_zstd"),
    "zstd and half a frame": ("a.jsonl.zst", zstd(LINES) + zstd(LINES)[:9], "truncated_zstd"),
    "zstd that wants a gigabyte of window": (
        "a.jsonl.zst",
        LARGE_WINDOW.compress(LINES) + LARGE_WINDOW.flush(),
        "corrupt_zstd",
    ),
    "zstd of too much": ("a.jsonl.zst", zstd(bytes(101 << 20)), "compression_ratio"),
}
