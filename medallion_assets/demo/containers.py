"""Records as the bytes of an export, in each container that can land. Equal records give equal bytes."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard


def json_array(records: Sequence[Any]) -> bytes:
    return json.dumps(records, indent=1).encode()


def jsonl(records: Sequence[Any]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def csv_table(records: Sequence[Mapping[str, str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(records[0]))
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue().encode()


def parquet(records: Sequence[Mapping[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(records)), buffer)
    return buffer.getvalue()


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def zstandard_compressed(content: bytes) -> bytes:
    return zstandard.compress(content)


def cut_short(content: bytes) -> bytes:
    """As an upload leaves it that broke off."""
    return content[:-20]
