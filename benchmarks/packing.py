"""Packing against TRL's best-fit decreasing: how full the bins are, and what making them costs.

usage: python -m benchmarks packing
Takes documents as long as real conversations, at four characters a token; what the tokens are changes
nothing. Both sides read them from Parquet and write packed Parquet with labels. Planning is told by itself
too; TRL copies the tokens with it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import real_texts
from benchmarks.measure import Cost, median_of, run
from benchmarks.own_packing import RULES
from medallion_assets.roots import project_folder

PEERS = os.environ.get("MEDALLION_BENCH_TRL")
TRL = str(Path(__file__).parent / "peers" / "trl_bfd.py")
RUNS = {"52k": 3, "500k": 1}
CHARACTERS_PER_TOKEN = 4
ROWS_AT_ONCE = 10_000


def contenders(rows: int) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """What comes before the files, and after them."""
    found: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
        "ours": ((sys.executable, "-m", "benchmarks.own_packing"), ())
    }
    if PEERS is None:
        print("TRL: skipped; set MEDALLION_BENCH_TRL to a python that has it\n")
        return found
    return found | {
        "TRL, 1,000 a batch": ((PEERS, TRL), ("1000",)),
        "TRL, all at once": ((PEERS, TRL), (str(rows),)),
    }


def write_tokens(rows: Path, tokens: Path) -> tuple[int, int]:
    """Documents as long as the conversations in this file; returns how many documents and tokens."""
    lengths = [
        min(max(1, len(text) // CHARACTERS_PER_TOKEN), RULES.max_length)
        for text in real_texts.texts_of_rows(rows)
    ]
    schema = pa.schema([("input_ids", pa.list_(pa.int32()))])
    chance = np.random.default_rng(0)
    with pq.ParquetWriter(tokens, schema, compression="zstd") as writer:
        for start in range(0, len(lengths), ROWS_AT_ONCE):
            borders = np.cumsum([0, *lengths[start : start + ROWS_AT_ONCE]]).astype(np.int32)
            ids = chance.integers(0, 32_000, borders[-1], np.int32)
            writer.write_table(pa.table([pa.ListArray.from_arrays(borders, ids)], schema=schema))
    return len(lengths), sum(lengths)


def main(scratch: Path) -> None:
    for size, runs in RUNS.items():
        path = real_texts.rows_file(size)
        if path is None:
            print(f"{size}: skipped; set MEDALLION_BENCH_ROWS to a folder with sft_{size}.jsonl")
            continue
        given = scratch / f"{size}.parquet"
        documents, tokens = write_tokens(path, given)
        print(f"{documents:,} documents, {tokens:,} tokens, bins of {RULES.max_length}, median of {runs}")
        compared(scratch, given, runs, documents, tokens)


def compared(scratch: Path, given: Path, runs: int, documents: int, tokens: int) -> None:
    """In turns."""
    costs: dict[str, list[Cost]] = {}
    made = {}
    for _ in range(runs):
        for name, (before, after) in contenders(documents).items():
            told, work = scratch / "made.json", scratch / "work"
            command = (*before, str(given), str(told), str(work), *after)
            cost = run(command, environment={}, folder=project_folder(), log=scratch / "log")
            costs.setdefault(name, []).append(cost)
            made[name] = json.loads(told.read_text())
            shutil.rmtree(work)
    ours = median_of(costs["ours"])
    for name, each in costs.items():
        cost, full = median_of(each), tokens / (made[name]["bins"] * RULES.max_length)
        ratio = f"{cost.cpu / ours.cpu:5.1f} x our CPU"
        print(f"  {name:20}{cost}  {full:8.3%} full, planned in {made[name]['planning']:6.2f} s CPU  {ratio}")
