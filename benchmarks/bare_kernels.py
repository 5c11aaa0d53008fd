"""The bound: the same data through the bare kernels in one process, without store, provenance or checks.

usage: python -m benchmarks.bare_kernels INPUT.json.gz TOKENIZER_FOLDER OUT_FOLDER template|string
Read and parse, render, `tokenizers` batch encode on all cores, three Parquet writes; no packing, no masks.
Rendering is transformers' of the chat template, or a Python string that knows this one template by heart.
"""

from __future__ import annotations

import gzip
import os
import sys
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer

BATCH_ROWS = 2048


def main(source: Path, tokenizer: Path, out: Path, *, rendering: str) -> None:
    out.mkdir(parents=True, exist_ok=True)
    content = source.read_bytes()
    text = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    if text.lstrip()[:1] == b"[":
        raw = msgspec.json.decode(text, type=list[msgspec.Raw])
    else:
        raw = [msgspec.Raw(line) for line in text.splitlines()]
    write({"raw": pa.array([bytes(item) for item in raw], pa.binary())}, out / "bronze.parquet")
    rows = [msgspec.json.decode(item) for item in raw]
    write(
        {name: pa.array([row[name] for row in rows]) for name in ("instruction", "output")},
        out / "silver.parquet",
    )
    template = (tokenizer / "chat_template.jinja").read_text()
    core = Tokenizer.from_file(str(tokenizer / "tokenizer.json"))
    ids, lengths = [], []
    for start in range(0, len(rows), BATCH_ROWS):
        batch = rows[start : start + BATCH_ROWS]
        texts = by_template(batch, template) if rendering == "template" else [by_heart(row) for row in batch]
        for encoding in core.encode_batch(texts, add_special_tokens=False):
            ids.append(np.array(encoding.ids, np.int32))
            lengths.append(len(ids[-1]))
    borders = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    flat = pa.array(np.concatenate(ids))
    lists = pa.ListArray.from_arrays(borders, flat)
    write({"input_ids": lists, "labels": lists}, out / "gold.parquet")


def prompt(row: dict[str, str]) -> str:
    return f"{row['instruction']}\n\n{row['input']}" if row["input"] else row["instruction"]


def by_heart(row: dict[str, str]) -> str:
    return f"<|im_start|>user\n{prompt(row)}<|im_end|>\n<|im_start|>assistant\n{row['output']}<|im_end|>\n"


def by_template(rows: list[dict[str, str]], template: str) -> list[str]:
    os.environ["TRANSFORMERS_NO_ADVISORY_WARNINGS"] = "1"
    from transformers.utils.chat_template_utils import render_jinja_template

    turns = [
        [{"role": "user", "content": prompt(row)}, {"role": "assistant", "content": row["output"]}]
        for row in rows
    ]
    texts: list[str] = render_jinja_template(turns, chat_template=template)[0]
    return texts


def write(columns: dict[str, pa.Array], path: Path) -> None:
    pq.write_table(pa.table(columns), path, compression="zstd", compression_level=1)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]), rendering=sys.argv[4])
