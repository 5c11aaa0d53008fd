"""What a day of 1,000 rows costs on histories of up to ten million records, and how much room they take.

usage: python -m benchmarks growth
Belongs here: how cost grows with history, by the real stages. Does not: one in detail (incremental.py).
The largest takes about an hour and 40 GB; MEDALLION_BENCH_HISTORIES names others, as in 100000,1000000.
"""

from __future__ import annotations

import os
import shutil
import statistics
from pathlib import Path

from benchmarks import real_texts
from benchmarks.incremental import HISTORY_DAYS, Row, child, show

HISTORIES = (100_000, 1_000_000, 10_000_000)
MEASURED_DAYS = 5
# What of a store is counted together.
KINDS = {
    "conformed rows": "silver/*_conformed/**/part-*.parquet",
    "fingerprints": "silver/*_conformed/**/fingerprints-*.arrow",
    "silver rows": "silver/sft_pairs/**/part-*.parquet",
    "rejects": "silver/**/rejects-*.parquet",
    "buckets": ".buckets/**/*.buckets",
}


def main(scratch: Path) -> None:
    if real_texts.rows_file("500k") is None:
        print("growth: skipped; set MEDALLION_BENCH_ROWS to a folder with sft_500k.jsonl\n")
        return
    named = os.environ.get("MEDALLION_BENCH_HISTORIES")
    for rows in map(int, named.split(",")) if named else HISTORIES:
        grown(scratch, rows)


def grown(scratch: Path, rows: int) -> None:
    store = scratch / "grown"
    child(scratch, "evals", store)
    print(f"{rows:,} records on {HISTORY_DAYS} days")
    for task, what in (("conformed", "conformed, made of texts in memory"), ("silver", "silver")):
        cost = child(scratch, task, store, history=rows)
        print(
            f"  {what}: {1e6 * cost['cpu'] / rows:.1f} µs CPU a record, peak {cost['peak_mib']} MiB",
            flush=True,
        )
    sizes = {kind: size_of(store, pattern) for kind, pattern in KINDS.items()}
    print("  bytes a record: " + ", ".join(f"{kind} {size / rows:.0f}" for kind, size in sizes.items()))
    days = [child(scratch, "day", store, number, history=rows) for number in range(MEASURED_DAYS)]
    print(f"  a day of 1,000 rows more: {cost_of(days)}\n", flush=True)
    shutil.rmtree(store)


def cost_of(days: list[Row]) -> str:
    """Medians, and the highest peak."""
    cpu, wall = (statistics.median(each[measure] for each in days) for measure in ("cpu", "wall"))
    by_stage = {name: statistics.median(each["stages"][name] for each in days) for name in days[0]["stages"]}
    peak = max(each["peak_mib"] for each in days)
    return f"{cpu:.2f} s CPU, {wall:.2f} s wall, peak {peak} MiB; {show(by_stage)}"


def size_of(store: Path, pattern: str) -> int:
    return sum(path.stat().st_size for path in store.glob(pattern))
