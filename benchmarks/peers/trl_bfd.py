"""TRL: pack_dataset with the strategy bfd, in batches of the size that it takes by default or of any other.

usage: trl_bfd.py TOKENS.parquet MADE.json WORK_FOLDER BATCH_ROWS
Labels are packed along, as SFTTrainer does.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from datasets import Dataset
from trl import pack_dataset

MAX_LENGTH = 4096


def main(tokens: Path, made: Path, work: Path, batch_rows: int) -> None:
    given = Dataset.from_parquet(str(tokens), cache_dir=str(work / "cache"))
    given = given.with_format("arrow").map(
        lambda table: table.append_column("labels", table["input_ids"]), batched=True
    )
    started = time.process_time()
    packed = pack_dataset(given, MAX_LENGTH, "bfd", {"batch_size": batch_rows})
    planning = time.process_time() - started
    packed.to_parquet(str(work / "packed.parquet"))
    made.write_text(json.dumps({"bins": len(packed), "planning": planning}))


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]), batch_rows=int(sys.argv[4]))
