"""A trainer that reads the stream, keeps a checkpoint after each step, and goes on from it after a death.

Belongs here: what a training loop does with load_stream. Does not: what is judged. Each step's line in its
diary has the latencies of rollouts that it was given for the first time, and a digest of the rows.
"""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path

import msgspec
import pyarrow as pa

from medallion_assets.release import load_stream
from medallion_assets_tests.streaming.soak.sent import parsed

CONSUMER, ROWS = "soak", 256
DIARY, CHECKPOINT = "diary.jsonl", "checkpoint"


class Entry(msgspec.Struct):
    step: int
    at: float
    is_again: bool
    sent: list[float]
    digest: str


def digest(rows: pa.Table) -> str:
    return hashlib.sha256(msgspec.json.encode(rows.to_pylist())).hexdigest()


def main(folder: Path) -> None:
    checkpoint = folder / CHECKPOINT
    after = int(checkpoint.read_text()) if checkpoint.exists() else 0
    seen = _last(folder / DIARY)
    with (folder / DIARY).open("ab") as diary:
        for step in load_stream("live", consumer=CONSUMER, rows=ROWS, after=after):
            at = time.time()
            sent = [parsed(uid)[1] for uid in step.rows["source_id"].to_pylist()]
            entry = Entry(step.number, at, step.number <= seen, sent, digest(step.rows))
            diary.write(msgspec.json.encode(entry) + b"\n")
            diary.flush()
            if step.number % 4 == 0:  # a death costs some steps
                checkpoint.with_suffix(".new").write_text(str(step.number))
                checkpoint.with_suffix(".new").replace(checkpoint)


def entries(diary: Path) -> list[Entry]:
    lines = diary.read_bytes().split(b"\n") if diary.exists() else []
    found = []
    for line in lines:
        try:
            found.append(msgspec.json.decode(line, type=Entry))
        except msgspec.DecodeError:
            continue  # torn by a death
    return found


def _last(diary: Path) -> int:
    return max((entry.step for entry in entries(diary)), default=0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
