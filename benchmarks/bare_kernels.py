"""The bound: the same data through the bare kernels in one process, without store, provenance or checks.

usage: python -m benchmarks.bare_kernels INPUT.json.gz TOKENIZER_FOLDER OUT_FOLDER
Read and parse, render, `tokenizers` batch encode on all cores, three Parquet writes. Documents are
concatenated in order: no packing.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer

BATCH_ROWS = 2048


def main(source: Path, tokenizer: Path, out: Path) -> None:
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
    core = Tokenizer.from_file(str(tokenizer / "tokenizer.json"))
    ids, lengths = [], []
    for start in range(0, len(rows), BATCH_ROWS):
        texts = [rendered(row) for row in rows[start : start + BATCH_ROWS]]
        for encoding in core.encode_batch(texts, add_special_tokens=False):
            ids.append(np.array(encoding.ids, np.int32))
            lengths.append(len(ids[-1]))
    borders = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    flat = pa.array(np.concatenate(ids))
    lists = pa.ListArray.from_arrays(borders, flat)
    write({"input_ids": lists, "labels": lists}, out / "gold.parquet")


def rendered(row: dict[str, str]) -> str:
    prompt = f"{row['instruction']}\n\n{row['input']}" if row["input"] else row["instruction"]
    return f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n{row['output']}<|im_end|>\n"


def write(columns: dict[str, pa.Array], path: Path) -> None:
    pq.write_table(pa.table(columns), path, compression="zstd", compression_level=1)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]))
