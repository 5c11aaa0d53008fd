"""datatrove: its n-gram filter, in two processes, with words cut at spaces, which is its cheapest way.

usage: datatrove_ngrams.py TEXTS.jsonl EVALS.jsonl WORK_FOLDER WORDS
Prints how many texts it drops. The index is made with the filter's own hash: its step asks for lighteval.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.decont.n_grams import NGramsDecontConfig, NGramsDecontFilter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.text import ngrams, simplify_text

WORKERS = 2


class Spaces:
    """Only what the filter asks for."""

    def word_tokenize(self, text: str) -> list[str]:
        return text.split()


def main(texts: Path, evals: Path, work: Path, words: int) -> None:
    shutil.rmtree(work, ignore_errors=True)
    (work / "index").mkdir(parents=True)
    (work / "in").mkdir()
    lines = texts.read_bytes().splitlines(keepends=True)
    for number in range(WORKERS):
        (work / "in" / f"{number}.jsonl").write_bytes(b"".join(lines[number::WORKERS]))
    config = NGramsDecontConfig(n_grams=words)
    gate = NGramsDecontFilter(str(work / "index"), config=config)
    gate.tokenizer = Spaces()
    items = [json.loads(line)["text"] for line in evals.read_text(encoding="utf-8").splitlines()]
    split = (gate.tokenizer.word_tokenize(simplify_text(text, config.norm_config)) for text in items)
    hashes = {gate.hash_func(" ".join(run)) for said in split for run in ngrams(said, words)}
    np.array(list(hashes), config.hash_config.np_descr).tofile(work / "index" / "evals.index.hashes")
    out = JsonlWriter(str(work / "out"), compression=None)
    LocalPipelineExecutor(
        [JsonlReader(str(work / "in")), gate, out],
        tasks=WORKERS,
        workers=WORKERS,
        start_method="fork",  # so that their cost is counted
        logging_dir=str(work / "logs"),
    ).run()
    kept = sum(path.read_bytes().count(b"\n") for path in (work / "out").glob("*.jsonl"))
    print(f"DROPPED {len(lines) - kept}")


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]), words=int(sys.argv[4]))
