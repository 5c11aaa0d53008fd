"""The bound: the fast encoder over texts that are rendered already, and the Parquet write; no masks.

usage: python -m benchmarks.bare_tokens SILVER.parquet TOKENIZER_FOLDER
Reads SILVER.texts. Ids are written for labels too. Prints {"cpu"}: seconds of encoding and writing.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import fastokens
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

BATCH_ROWS = 2048
ROWS_OF_A_GROUP = 24_576
NUMBERS = pa.list_(pa.int32())
SCHEMA = pa.schema([("input_ids", NUMBERS), ("labels", NUMBERS)])


def main(silver: Path, folder: Path) -> None:
    core = fastokens.Tokenizer.from_file(str(folder / "tokenizer.json"))
    texts = pq.ParquetFile(silver.with_suffix(".texts"))
    cpu = 0.0
    with pq.ParquetWriter(
        silver.with_suffix(".bare"), SCHEMA, compression="zstd", compression_level=1
    ) as out:
        for group in texts.iter_batches(ROWS_OF_A_GROUP):
            rows = group.column("text").to_pylist()
            started = time.process_time()
            out.write_table(_table(core, rows))
            cpu += time.process_time() - started
    print(json.dumps({"cpu": cpu}))


def _table(core: fastokens.Tokenizer, rows: list[str]) -> pa.Table:
    found = [core.encode_batch_flat(rows[at : at + BATCH_ROWS]) for at in range(0, len(rows), BATCH_ROWS)]
    ids = np.concatenate([np.frombuffer(ids, np.int32) for ids, _ in found])
    lengths = np.concatenate([np.diff(np.frombuffer(borders, np.int64)) for _, borders in found])
    borders = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    lists = pa.ListArray.from_arrays(borders, pa.array(ids))
    return pa.Table.from_arrays([lists, lists], schema=SCHEMA)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:3]))
