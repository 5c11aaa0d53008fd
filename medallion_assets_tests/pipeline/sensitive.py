"""A source with personal data in every place that a delivery has, and what of it must not be stored."""

from __future__ import annotations

import gzip
import io
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets.extract.redact import SALT_VARIABLE
from medallion_assets_tests.pipeline.sample import LONG_AGO, TOKENIZER, Site

DAY = "2024-09-01"
SALT = "a salt for the tests, long enough"
MASK = ["email", "phone", "ip", "card", "national_id"]
REDACT = {"drop": ["user.name", "turns.note"], "mask": MASK, "hash": ["user.id", "turns.by"]}
RECORD_BYTES = 2048
# E-mail addresses by their first halves, which show where each was planted.
IN_RECORDS = (
    *(f"{where}.roe" for where in ("prompt", "answer", "key", "cell", "header")),
    *(f"{where}.roe" for where in ("row", "bytes", "escaped", "linked", "array", "zstd")),
    *("Quill Dropwell", "a note on Quill", "annotator-7781", "annotator-0042"),
    *("650-253-0000", "6502530000", "198.51.100.23", "4111 1111 1111 1111", "4111111111111111"),
    *("536-90-4399",),
)
IN_DEFECTS = (
    *(f"{where}.roe" for where in ("invalid", "undecodable", "long", "ragged", "twice")),
    *(f"{where}.roe" for where in ("cut", "unclosed", "quoted", "repeated", "packed")),
)
IN_NAMES = (
    *(f"{where}.roe" for where in ("export", "delim", "parquet", "again", "link")),
    *(f"{where}.roe" for where in ("broken", "folder", "crit", "writing")),
    *("(650) 253-0001", "6502530002"),
)


def config(redact: dict[str, Any] | None) -> PipelineConfig:
    source = {
        "name": "crm",
        "unit": "sft_pairs",
        "format": "alpaca",
        "limits": {"record_bytes": RECORD_BYTES},
    }
    recipe = {"name": "packed", "unit": "sft_pairs", "tokenizer": TOKENIZER, "max_length": 512}
    return PipelineConfig.model_validate(
        {"start_date": DAY, "sources": [source | {"redact": redact}], "recipes": [recipe]}
    )


def sensitive_site(folder: Path, redact: dict[str, Any] | None) -> Site:
    return Site(folder, config(redact))


def record(instruction: str, output: str, **more: Any) -> dict[str, Any]:
    user = {"id": "annotator-7781", "name": "Quill Dropwell"}
    turns = [{"by": "annotator-0042", "note": "a note on Quill"}, {"by": "annotator-7781"}]
    return {"instruction": instruction, "output": output, "user": user, "turns": turns, **more}


def lines() -> list[bytes]:
    good = [
        record("write to prompt.roe@example.org or 650-253-0000", "not answer.roe@example.org"),
        record("pay by 4111 1111 1111 1111", "from 198.51.100.23", card=4111111111111111, phone=6502530000.0),
        record("who", "536-90-4399", **{"key.roe@example.org": {"key.roe@example.org": 6502530000}}),
        record('{"to": "escaped.roe\\u0040example.org"}', "see https://x.org/?to=linked.roe%40example.org"),
        {"instruction": "no output", "key.roe@example.org": 1},
    ]
    twice = '{"instruction": "a", "twice.roe@example.org": 1, "twice.roe@example.org": 2}'
    return [
        *(json.dumps(row).encode() for row in good),
        b'{"instruction": "invalid.roe@example.org',
        b'{"instruction": "\xff undecodable.roe@example.org", "output": "x"}',
        json.dumps(record("long.roe@example.org", "x" * RECORD_BYTES)).encode(),
        twice.encode(),
        b'"a text by 650-253-0000"',
    ]


def table() -> list[str]:
    user = json.dumps(record("", "")["user"]).replace('"', '""')
    return [
        "instruction,output,user,header.roe@example.org",
        f'ask cell.roe@example.org,6502530000.0,"{user}",4111111111111111',
        "ragged.roe@example.org,too few",
    ]


def parquet() -> bytes:
    rows = [record("of row.roe@example.org", f"number {number}") for number in range(3)]
    table = pa.Table.from_pylist(rows)
    table = table.append_column("mail", pa.array([b"bytes.roe@example.org"] * 3, pa.binary()))
    sink = io.BytesIO()
    pq.write_table(table.append_column("phone", pa.array([6502530000, None, 1.5])), sink)
    return sink.getvalue()


def exports() -> dict[str, bytes]:
    """Every container, every defect of a whole file, and names that the suffix follows directly."""
    array = json.dumps([record("array.roe@example.org", "elements"), record("b", "c")]).encode()
    packed = gzip.compress(json.dumps(record("packed.roe@example.org", "x")).encode() * 9, mtime=0)
    return {
        "export_export.roe@example.org_2024-09-01.jsonl": b"\n".join(lines()),
        "delim.roe@example.org.csv": "\n".join(table()).encode(),
        "calls of (650) 253-0001.csv.gz": gzip.compress("\n".join(table()[:2]).encode(), mtime=0),
        "parquet.roe@example.org.parquet": parquet(),
        "6502530002.parquet.gz": gzip.compress(parquet(), mtime=0),
        "folder.roe@example.org/array.json": array,
        "folder.roe@example.org/again.roe@example.org.json": array,
        "lines.jsonl.zst": zstandard.compress(json.dumps(record("zstd.roe@example.org", "x")).encode()),
        "broken.roe@example.org.jsonl.gz": packed[:-9],
        "broken.json": b'[{"instruction": "unclosed.roe@example.org", "output": "a"}',
        "broken.csv": b'instruction,output\nquoted.roe@example.org "said" so,x\n',
        "broken.tsv": b"repeated.roe@example.org\trepeated.roe@example.org\n1\t2\n",
        "broken.parquet": parquet()[:-99],
        "cut.jsonl": b'{"instruction": "cut.roe@example.org", "outp',
    }


def land(site: Site, names: list[str] | None = None) -> None:
    """The exports, and beside them what is refused: a link, and a name that is no UTF-8."""
    folder = site.roots.landing / "crm" / DAY
    for name, content in exports().items():
        if names is None or name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            os.utime(path, (LONG_AGO, LONG_AGO))
    if names is None:
        (folder / "link.roe@example.org.jsonl").symlink_to("nowhere")
        Path(os.fsdecode(os.fsencode(folder) + b"/\xe9crit.roe@example.org.csv")).write_bytes(b"")


def take_in(root: Path) -> None:
    """Bronze by itself, for a child process that dies on the way."""
    os.environ[SALT_VARIABLE] = SALT
    site = sensitive_site(root.parent, REDACT)
    bronze = site.stages.sources[0].bronze
    site.store.append(bronze.table, DAY, bronze.build(site.store, DAY))
