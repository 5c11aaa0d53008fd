"""A search for values that must not be stored, in every byte below a folder and in whatever the bytes encode.

Belongs here: reading files of every kind that a run may leave. Does not: which values are looked for
(test_redaction.py).
"""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import duckdb
import pyarrow.parquet as pq
import zstandard
from tokenizers import Tokenizer

from medallion_assets.roots import project_folder
from medallion_assets_tests.pipeline.sample import TOKENIZER


def found_in(values: Iterable[str], folders: Iterable[Path]) -> dict[str, set[str]]:
    """For each value that stands somewhere, the files in whose name, bytes or contents it stands."""
    found: dict[str, set[str]] = {}
    forms = {value: list(written(value)) for value in values}
    for folder in folders:
        for path in folder.rglob("*"):
            for text in readings(path):
                for value in forms:
                    if any(form in text for form in forms[value]):
                        found.setdefault(value, set()).add(path.relative_to(folder).as_posix())
    return found


def written(value: str) -> Iterator[bytes]:
    """The value's bytes as UTF-8, UTF-16, JSON, URL, hex and, at each of three alignments, base64."""
    text = value.encode()
    yield from (text, value.encode("utf-16-le"), value.encode("utf-16-be"))
    yield from (json.dumps(value)[1:-1].encode(), quote(value, safe="").encode())
    yield from (text.hex().encode(), text.hex().upper().encode())
    for pad in range(3):
        coded = base64.b64encode(b"\0" * pad + text)
        # The characters at both ends hold bits of what stands beside the value.
        yield coded[4 if pad else 0 : -4 if len(text + b"\0" * pad) % 3 else None]


def readings(path: Path) -> Iterator[bytes]:
    """The name, the bytes, and what the bytes hold for those who can read them."""
    yield os.fsencode(path.name)
    if path.is_symlink() or not path.is_file():
        return
    content = path.read_bytes()
    yield content
    if content.startswith(b"\x1f\x8b"):
        yield zlib.decompressobj(wbits=31).decompress(content)  # also what is cut off
    elif content.startswith(b"\x28\xb5\x2f\xfd"):
        yield zstandard.ZstdDecompressor().decompressobj().decompress(content)
    elif content.startswith(b"PAR1") and content.endswith(b"PAR1"):
        yield from of_parquet(path)
    elif content.startswith(b"SQLite format 3"):
        with closing(sqlite3.connect(path)) as database:
            yield "\n".join(database.iterdump()).encode()
    elif path.suffix == ".duckdb":
        yield from of_duckdb(path)


def of_parquet(path: Path) -> Iterator[bytes]:
    """Values, statistics and metadata; token ids as the text that they stand for."""
    with pq.ParquetFile(path) as file:
        yield repr((file.metadata.to_dict(), file.metadata.metadata, file.schema_arrow.metadata)).encode()
        rows = file.read().to_pylist()
    yield repr(rows).encode()
    if rows and "input_ids" in rows[0]:
        core = Tokenizer.from_file(str(project_folder() / TOKENIZER["path"] / "tokenizer.json"))
        yield "\n".join(core.decode(row["input_ids"], skip_special_tokens=False) for row in rows).encode()


def of_duckdb(path: Path) -> Iterator[bytes]:
    with duckdb.connect(str(path), read_only=True) as database:
        yield repr(database.execute("SELECT * FROM duckdb_views()").fetchall()).encode()
        for schema, table in database.execute(
            "SELECT schema_name, table_name FROM duckdb_tables()"
        ).fetchall():
            yield repr(database.table(f'"{schema}"."{table}"').fetchall()).encode()
