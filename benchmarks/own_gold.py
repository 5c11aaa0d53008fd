"""Our rendering, encoding, masking and writing of silver conversations, a row each, without packing or store.

usage: python -m benchmarks.own_gold SILVER.parquet TOKENIZER_FOLDER
Writes SILVER.ours, and for the bare encoder the rendered texts, SILVER.texts. Prints {"cpu"}: seconds of the
work, libraries and tokenizer loaded, without reading SILVER and without the texts.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from medallion_assets.package.conversations import encoded
from medallion_assets.package.tokens.encode import Signed, ids_and_labels
from medallion_assets.package.tokens.tokenizer import LoadedTokenizer, load
from medallion_assets.records import Rejected

BATCH_ROWS = 2048
ROWS_OF_A_GROUP = 24_576
COLUMNS = ["record_id", "landing_date", "messages", "tools"]
NUMBERS = pa.list_(pa.int32())
SCHEMA = pa.schema([("place", pa.int64()), ("input_ids", NUMBERS), ("labels", NUMBERS)])


def main(silver: Path, folder: Path) -> None:
    tokenizer = load(folder, proofs=silver.parent / ".proofs")
    _ = tokenizer.encode, tokenizer.vocabulary
    reading = Reading(silver)
    started = time.process_time()
    with pq.ParquetWriter(
        silver.with_suffix(".ours"), SCHEMA, compression="zstd", compression_level=1
    ) as out:
        waiting: list[Signed | Rejected] = []
        place = 0
        for outcomes in encoded(reading, tokenizer):
            waiting += outcomes.each()
            if len(waiting) >= ROWS_OF_A_GROUP:
                out.write_table(_table(waiting, place))
                place, waiting = place + len(waiting), []
        out.write_table(_table(waiting, place))
    cpu = time.process_time() - started - reading.cpu
    _write_texts(silver, tokenizer)
    print(json.dumps({"cpu": cpu}))


class Reading:
    """The batches, and CPU seconds that reading them took."""

    def __init__(self, silver: Path) -> None:
        self._silver = silver
        self.cpu = 0.0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        batches = pq.ParquetFile(self._silver).iter_batches(BATCH_ROWS, columns=COLUMNS, use_threads=False)
        while True:
            started = time.thread_time()
            batch = next(batches, None)
            self.cpu += time.thread_time() - started
            if batch is None:
                return
            yield batch


def _table(outcomes: list[Signed | Rejected], first: int) -> pa.Table:
    kept = [(place, each) for place, each in enumerate(outcomes, first) if not isinstance(each, Rejected)]
    borders = pa.array(np.cumsum([0, *(len(each) for _, each in kept)]), pa.int32())
    ids, labels = ids_and_labels(np.concatenate([np.empty(0, np.int32), *(each for _, each in kept)]))
    lists = [pa.ListArray.from_arrays(borders, pa.array(values)) for values in (ids, labels)]
    return pa.Table.from_arrays([pa.array([place for place, _ in kept], pa.int64()), *lists], schema=SCHEMA)


def _write_texts(silver: Path, tokenizer: LoadedTokenizer) -> None:
    """What the ids decode to is what was rendered, control tokens included."""
    rows = pq.ParquetFile(silver.with_suffix(".ours"))
    with pq.ParquetWriter(silver.with_suffix(".texts"), pa.schema([("text", pa.large_string())])) as out:
        for batch in rows.iter_batches(BATCH_ROWS, columns=["input_ids"]):
            ids = batch.column("input_ids").to_pylist()
            texts = tokenizer.core.decode_batch(ids, skip_special_tokens=False)
            out.write_table(pa.table({"text": pa.array(texts, pa.large_string())}))


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:3]))
