"""Real texts to find near-duplicates in, and samples that are rich in them.

Belongs here: reading the sets that a machine has. Does not: copies of them, or judging (near_duplicates.py).
"""

from __future__ import annotations

import gzip
import json
import os
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from medallion_assets.roots import project_folder

DATA = Path(os.environ.get("MEDALLION_TEST_DATA") or project_folder().parent / "shared" / "data")
# A folder with sft_52k.jsonl and sft_500k.jsonl: rows {"id", "source", "messages"}.
ROWS = os.environ.get("MEDALLION_BENCH_ROWS")
OPENING_CHARACTERS = 60
MOST_OF_AN_OPENING = 12


def rows_file(size: str) -> Path | None:
    return _given(f"sft_{size}.jsonl")


def evals_file() -> Path | None:
    """Lines {"text"}: the evaluation items that belong to the rows."""
    return _given("evals.jsonl")


def _given(name: str) -> Path | None:
    path = Path(ROWS) / name if ROWS else None
    return path if path and path.is_file() else None


def big() -> Iterator[str]:
    yield from texts_of_rows(rows_file("500k") or rows_file("52k"))


def texts_of_rows(path: Path | None) -> Iterator[str]:
    if path is not None:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                yield "\n".join(turn["content"] for turn in json.loads(line)["messages"])


def alpaca() -> Iterator[str]:
    path = DATA / "sft" / "alpaca_52k.json.gz"
    if path.is_file():
        yield from joined(json.loads(gzip.decompress(path.read_bytes())), "instruction", "input", "output")


def prompts_by_template() -> Iterator[str]:
    """t0: many templates over the same passages."""
    for path in sorted((DATA / "sft" / "t0_train_50k").glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            yield from joined(map(json.loads, lines), "prompt", "completion")


def preferences() -> Iterator[str]:
    """HH-RLHF: both answers of each prompt."""
    path = DATA / "preference" / "hh_rlhf_harmless_base_test.jsonl.gz"
    if path.is_file():
        for line in gzip.decompress(path.read_bytes()).splitlines():
            row = json.loads(line)
            yield from (row["chosen"], row["rejected"])


def judgements() -> Iterator[str]:
    """TruthfulQA's judge: short texts, many of them equal."""
    path = DATA / "sft" / "truthfulqa_judge_finetune_truth.jsonl"
    if path.is_file():
        with path.open(encoding="utf-8") as lines:
            yield from joined(map(json.loads, lines), "prompt", "completion")


SETS: Mapping[str, Callable[[], Iterator[str]]] = {
    "sft_500k": big,
    "alpaca_52k": alpaca,
    "t0": prompts_by_template,
    "hh": preferences,
    "truthfulqa": judgements,
}


def joined(rows: Iterable[dict[str, Any]], *names: str) -> Iterator[str]:
    return ("\n".join(filter(None, (row[name] for name in names))) for row in rows)


def sample(texts: Callable[[], Iterator[str]], count: int, *, seed: int = 7) -> list[str]:
    """First texts that open alike, at most a dozen of an opening, then any; in a random order."""
    draw = random.Random(seed)
    by_opening: dict[str, list[int]] = {}
    for place, text in enumerate(texts()):
        by_opening.setdefault(text[:OPENING_CHARACTERS].lower(), []).append(place)
    shared = [places for places in by_opening.values() if len(places) > 1]
    draw.shuffle(shared)
    chosen = [
        place for places in shared for place in draw.sample(places, min(len(places), MOST_OF_AN_OPENING))
    ]
    rest = [place for places in by_opening.values() for place in places]
    draw.shuffle(rest)
    wanted = set(list(dict.fromkeys([*chosen, *rest]))[:count])
    found = [text for place, text in enumerate(texts()) if place in wanted]
    draw.shuffle(found)
    return found


def write_texts(texts: Iterable[str], path: Path) -> int:
    """As JSONL rows {"id", "text"}; the id is the place. Returns how many."""
    rows = 0
    with path.open("w", encoding="utf-8") as file:
        for rows, text in enumerate(texts, 1):
            file.write(json.dumps({"id": str(rows - 1), "text": text}, ensure_ascii=False) + "\n")
    return rows
