"""Our plan of the bins, from the lengths of what own_gold.py wrote.

usage: python -m benchmarks.own_packing SILVER.ours
Prints {"cpu", "efficiency"}. What is longer than a bin is left out, as gold rejects it.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.gold import CAPACITY, planned


def main(ours: Path) -> None:
    file = pq.ParquetFile(ours)
    lengths = np.concatenate(
        [batch.column(0).value_lengths().to_numpy() for batch in file.iter_batches(columns=["input_ids"])]
    )
    kept = lengths[lengths <= CAPACITY].tolist()
    record_ids = [hashlib.sha256(str(number).encode()).hexdigest()[:32] for number in range(len(kept))]
    started = time.process_time()
    bins = planned(kept, record_ids)
    cpu = time.process_time() - started
    print(json.dumps({"cpu": cpu, "efficiency": sum(kept) / (len(bins) * CAPACITY)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
