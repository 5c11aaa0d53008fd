"""Our decontamination as the peer's script runs theirs: the kernels alone, without stages or Dagster.

usage: python -m benchmarks.own_ngrams TEXTS.jsonl EVALS.jsonl RULE       RULE: coverage or any_match
Takes JSONL rows {"id", "text"} and {"text"}, and prints how many of the first give one of the second away.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow as pa
from pyarrow import json as arrow_json

from medallion_assets.curate.decontaminate.index import EvalIndex
from medallion_assets.curate.decontaminate.match import matches
from medallion_assets.curate.decontaminate.rules import Rules, index_rows
from medallion_assets.schemas import EVAL_ITEMS

READ_BYTES = 2 << 20
GIVEN = pa.schema([("id", pa.string()), ("text", pa.string())])


def main(texts: Path, evals: Path, rule: str) -> None:
    index = index_of(evals, Rules(rule))
    dropped = 0
    reading = arrow_json.ReadOptions(use_threads=False, block_size=READ_BYTES)
    parsing = arrow_json.ParseOptions(explicit_schema=GIVEN)
    with arrow_json.open_json(texts, read_options=reading, parse_options=parsing) as batches:
        for batch in batches:
            dropped += len(matches(batch.column("text"), index).column("row").unique())
    print(f"DROPPED {dropped}")


def index_of(evals: Path, rules: Rules) -> EvalIndex:
    said = [json.loads(line)["text"] for line in evals.read_text(encoding="utf-8").splitlines()]
    columns = {
        "record_id": [f"{number}" for number in range(len(said))],
        "item": [1] * len(said),
        "texts": [[{"field": "text", "text": text}] for text in said],
    }
    types = {name: EVAL_ITEMS.arrow.field(name).type for name in columns}
    items = pa.table({name: pa.array(values, types[name]) for name, values in columns.items()})
    return EvalIndex.of(index_rows("evals", items, question="text", rules=rules), rules)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:3]), rule=sys.argv[3])
