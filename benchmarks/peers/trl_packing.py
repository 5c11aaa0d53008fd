"""TRL: pack_dataset with its strategy bfd.

usage: trl_packing.py TOKENS.parquet CAPACITY
Prints {"cpu", "efficiency"}: seconds of packing, and the share of the bins that is filled.
"""

from __future__ import annotations

import json
import resource
import sys

import datasets
import pyarrow.parquet as pq
from trl import pack_dataset


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(tokens: str, capacity: int) -> None:
    datasets.disable_progress_bars()
    rows = datasets.Dataset(pq.read_table(tokens))
    started = cpu()
    packed = pack_dataset(rows, capacity, "bfd")
    used = cpu() - started
    kept = sum(len(chunk.flatten()) for chunk in packed.data.column("input_ids").chunks)
    print(json.dumps({"cpu": used, "efficiency": kept / (len(packed) * capacity)}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
