"""datasketch: 128 permutations, an index at 0.8, of alike texts the first is kept.

usage: datasketch_minhash.py TEXTS.jsonl KEPT.json WORK_FOLDER
A text is the set of its runs of five words, a word a run of letters, digits and underscores in lower case.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from datasketch import MinHash, MinHashLSH

WORD = re.compile(r"\w+")
SHINGLE_WORDS = 5
PERMUTATIONS = 128


def shingles(text: str) -> set[bytes]:
    words = WORD.findall(text.lower())
    runs = range(max(1, len(words) - SHINGLE_WORDS + 1))
    return {" ".join(words[start : start + SHINGLE_WORDS]).encode() for start in runs}


def kept_ids(rows: Iterator[dict[str, str]]) -> list[str]:
    index = MinHashLSH(threshold=0.8, num_perm=PERMUTATIONS)
    first = MinHash(num_perm=PERMUTATIONS)
    kept = []
    for row in rows:
        signature = MinHash(num_perm=PERMUTATIONS, permutations=first.permutations, scheme=first.scheme)
        signature.update_batch(shingles(row["text"]))
        if not index.query(signature):
            index.insert(row["id"], signature, check_duplication=False)
            kept.append(row["id"])
    return kept


if __name__ == "__main__":
    with Path(sys.argv[1]).open(encoding="utf-8") as lines:
        kept = kept_ids(map(json.loads, lines))
    Path(sys.argv[2]).write_text(json.dumps(kept))
