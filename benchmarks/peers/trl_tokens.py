"""TRL: the preparation of SFTTrainer with assistant_only_loss, two processes, no packing.

usage: trl_tokens.py SILVER.parquet TOKENIZER_FOLDER
Writes SILVER.trl with input_ids and labels, which is not counted. Prints {"cpu"}: seconds of the preparation.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import types
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
from transformers import AutoTokenizer
from trl import SFTConfig, SFTTrainer

PROCESSES = 2
TURN = ("role", "content")


def cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def messages(silver: Path) -> datasets.Dataset:
    """Role and content alone: a null for what a turn lacks would be taken for a value."""
    lists = pq.read_table(silver, columns=["messages"]).column(0).combine_chunks()
    turns = lists.flatten()
    bare = pa.StructArray.from_arrays([turns.field(name) for name in TURN], names=list(TURN))
    return datasets.Dataset(pa.table({"messages": pa.ListArray.from_arrays(lists.offsets, bare)}))


def main(silver: Path, folder: Path) -> None:
    datasets.disable_progress_bars()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = messages(silver)
    with tempfile.TemporaryDirectory() as out:
        arguments = SFTConfig(
            output_dir=out,
            assistant_only_loss=True,
            max_length=None,
            dataset_num_proc=PROCESSES,
            bf16=False,
            report_to=[],
        )
        trainer = types.SimpleNamespace(
            _tokenizer=tokenizer, chat_template=tokenizer.chat_template, completion_only_loss=False
        )
        started = cpu()
        prepared = SFTTrainer._prepare_dataset(trainer, rows, tokenizer, arguments, False, None, "train")
        used = cpu() - started
    write(prepared, silver.with_suffix(".trl"))
    print(json.dumps({"cpu": used}))


def write(prepared: datasets.Dataset, path: Path) -> None:
    numbers = pa.list_(pa.int32())
    with pq.ParquetWriter(path, pa.schema([("input_ids", numbers), ("labels", numbers)])) as out:
        for chunk in prepared.data.table.to_batches(max_chunksize=2000):
            out.write_table(pa.table({name: chunk.column(name).cast(numbers) for name in out.schema.names}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
