"""datatrove: its four MinHash steps, in two processes, with words cut at spaces, which is its cheapest way.

usage: datatrove_minhash.py TEXTS.jsonl KEPT.json WORK_FOLDER [BANDS ROWS]     9 13, for 0.8, if not given
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import (
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.hashing import HashConfig
from datatrove.utils.word_tokenizers import WordTokenizer

WORKERS = 2


class Spaces(WordTokenizer):
    """Only what signatures ask for."""

    def word_tokenize(self, text: str) -> list[str]:
        return text.split()

    def sent_tokenize(self, text: str) -> list[str]:
        raise NotImplementedError

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        raise NotImplementedError


def main(texts: Path, kept: Path, work: Path, *, bands: int, rows: int) -> None:
    shutil.rmtree(work, ignore_errors=True)
    given = split(texts, work / "given")
    config = MinhashConfig(
        n_grams=5,
        num_buckets=bands,
        hashes_per_bucket=rows,
        hash_config=HashConfig(precision=64, hash_fc="xxhash"),
    )
    signatures, buckets, removed, left = (
        str(work / name) for name in ("signatures", "buckets", "removed", "left")
    )
    run(
        work,
        [JsonlReader(given), MinhashDedupSignature(signatures, config=config, language=Spaces())],
        WORKERS,
    )
    run(work, [MinhashDedupBuckets(signatures, buckets, config=config)], bands)
    run(work, [MinhashDedupCluster(buckets, removed, config=config)], 1)
    keep = [JsonlReader(given), MinhashDedupFilter(removed), JsonlWriter(left, compression=None)]
    run(work, keep, WORKERS)
    files = sorted(Path(left).glob("*.jsonl"))
    kept.write_text(
        json.dumps([json.loads(line)["id"] for file in files for line in file.open(encoding="utf-8")])
    )


def split(texts: Path, folder: Path) -> str:
    """A file a worker, since a reader takes whole files."""
    folder.mkdir(parents=True)
    parts = [(folder / f"{number}.jsonl").open("wb") for number in range(WORKERS)]
    with texts.open("rb") as lines:
        for number, line in enumerate(lines):
            parts[number % WORKERS].write(line)
    for part in parts:
        part.close()
    return str(folder)


def run(work: Path, steps: list[Any], tasks: int) -> None:
    """Forked, so that the workers share what is imported, and count as children of this process."""
    LocalPipelineExecutor(
        pipeline=steps,
        tasks=tasks,
        workers=min(WORKERS, tasks),
        logging_dir=str(work / "logs"),
        skip_completed=False,
        start_method="fork",
    ).run()


if __name__ == "__main__":
    shape = [int(number) for number in sys.argv[4:]] or [9, 13]
    main(*(Path(argument) for argument in sys.argv[1:4]), bands=shape[0], rows=shape[1])
