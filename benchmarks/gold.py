"""Gold of conversations against TRL's own preparation and the bare encoder: cost and labels.

usage: python -m benchmarks gold
MEDALLION_BENCH_TOKENIZER names a tokenizer's folder, by default the shipped one, MEDALLION_BENCH_TRL a
python with trl.
Belongs here: the runs side by side, and whether their labels are the same. Does not: the runs (own_gold.py,
bare_tokens.py, peers/).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import real_texts
from benchmarks.measure import Cost, median_of, run
from benchmarks.near_duplicates import SCRIPTS
from medallion_assets.roots import project_folder
from medallion_assets.schemas import SFT_PAIRS

SHIPPED = project_folder() / "medallion_assets" / "tokenizers" / "chatml"
TOKENIZER = Path(os.environ.get("MEDALLION_BENCH_TOKENIZER") or SHIPPED)
RUNS = {"52k": 3, "500k": 1}
SILVER_ROWS = 8192
PYTHON_WITH_TRL = os.environ.get("MEDALLION_BENCH_TRL")
OURS, BARE, TRL = "ours", "bare encoder", "TRL"


@dataclass(frozen=True)
class Found:
    """What a run cost: the whole process, and CPU seconds of the work, libraries and tokenizer loaded."""

    whole: Cost
    work: float


def main(scratch: Path) -> None:
    for size, runs in RUNS.items():
        path = real_texts.rows_file(size)
        if path is None:
            print(f"gold {size}: skipped; set MEDALLION_BENCH_ROWS to a folder with sft_{size}.jsonl")
            continue
        silver = scratch / f"{size}.parquet"
        print(f"{_write_silver(path, silver):,} conversations, median of {runs}")
        commands = _commands(silver)
        found: dict[str, list[Found]] = {name: [] for name in commands}
        for _ in range(runs):
            for name, command in commands.items():
                found[name].append(_run(command, silver))
        _show(found)
        if TRL in found:
            _compare(silver)


def _commands(silver: Path) -> dict[str, tuple[str, ...]]:
    """The bare encoder comes after ours, which leaves it the rendered texts."""
    mine = (str(silver), str(TOKENIZER))
    found: dict[str, tuple[str, ...]] = {
        OURS: (sys.executable, "-m", "benchmarks.own_gold", *mine),
        BARE: (sys.executable, "-m", "benchmarks.bare_tokens", *mine),
    }
    if PYTHON_WITH_TRL is None:
        print("TRL: skipped; set MEDALLION_BENCH_TRL to a python that has trl")
        return found
    return found | {TRL: (PYTHON_WITH_TRL, str(SCRIPTS / "trl_tokens.py"), *mine)}


def _run(command: tuple[str, ...], silver: Path) -> Found:
    log = silver.with_suffix(".log")
    cost = run(command, environment={}, folder=project_folder(), log=log)
    return Found(cost, json.loads(log.read_text().strip().split("\n")[-1])["cpu"])


def _show(found: dict[str, list[Found]]) -> None:
    work = {name: float(np.median([each.work for each in runs])) for name, runs in found.items()}
    for name, runs in found.items():
        whole = median_of([each.whole for each in runs])
        print(f"  {name:14}work {work[name]:8.2f} s CPU; process{whole}")
    print(f"  ours is {work[OURS] / work[BARE]:.2f} x the bare encoder and its write (at most 2)")
    if TRL in work:
        print(f"  TRL is {work[TRL] / work[OURS]:.1f} x ours (at least 10)")


def _compare(silver: Path) -> None:
    """Row by row; ours has no row where a text spells a control token, which TRL takes for one."""
    ours, theirs = (pq.read_table(silver.with_suffix(suffix)) for suffix in (".ours", ".trl"))
    places = ours.column("place").to_numpy()
    theirs = theirs.take(pa.array(places))
    same = sum(
        mine["input_ids"] == other["input_ids"] and mine["labels"] == other["labels"]
        for mine, other in zip(_rows(ours), _rows(theirs), strict=True)
    )
    total = pq.ParquetFile(silver).metadata.num_rows
    print(f"  ids and labels are TRL's in {same:,} of {len(places):,}; rejected {total - len(places):,}")


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in table.select(["input_ids", "labels"]).to_batches(max_chunksize=1000):
        yield from batch.to_pylist()


def _write_silver(rows: Path, silver: Path) -> int:
    with pq.ParquetWriter(silver, SFT_PAIRS.arrow) as writer, rows.open(encoding="utf-8") as lines:
        batch: list[dict[str, Any]] = []
        number = 0
        for number, line in enumerate(lines, 1):
            batch.append(_silver_row(json.loads(line), number))
            if len(batch) == SILVER_ROWS:
                writer.write_table(SFT_PAIRS.table(batch))
                batch = []
        writer.write_table(SFT_PAIRS.table(batch))
    return number


def _silver_row(row: dict[str, Any], number: int) -> dict[str, Any]:
    turns = [{**turn, "train": turn["role"] == "assistant"} for turn in row["messages"]]
    where = {"source": row["source"], "landing_date": date(2024, 9, 1), "export_sha256": "", "line": number}
    return {"record_id": f"{number:032x}", "record_number": number, "messages": turns, **where}
