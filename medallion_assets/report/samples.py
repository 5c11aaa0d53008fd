"""A few rows of a partition to look at, and a reject of each reason: short, inert and always the same.

Belongs here: which rows, which columns, how a value reads. Does not: where they are shown (assets/shown.py).
Of rows with an id, those with the smallest are shown, which are hashes; of others the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from medallion_assets.inert import inert
from medallion_assets.records import canonical_json
from medallion_assets.schemas import (
    BRONZE,
    CONTAMINATION,
    EVAL_INDEX,
    EVAL_ITEMS,
    PREFERENCE_TRIPLES,
    RECORD_ID,
    RL_CURRICULUM,
    RL_PROMPTS,
    RL_ROLLOUTS,
    SFT_PAIRS,
)
from medallion_assets.schemas_gold import (
    GOLD_CURRICULUM,
    GOLD_PREFERENCE,
    GOLD_PROMPTS,
    GOLD_ROLLOUTS,
    GOLD_SFT,
)
from medallion_assets.storage.parts import read_batches

ROWS, REASONS, CHARACTERS, ID_DIGITS = 3, 5, 120, 16
READ_CHARACTERS = 4 * CHARACTERS  # of a text, since blanks go
MORE = "…"
# By schema, what is worth a look; where a record comes from can be asked of the catalogue.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    BRONZE.name: ("file", "line", "raw", "defect"),
    SFT_PAIRS.name: ("record_id", "source", "messages"),
    PREFERENCE_TRIPLES.name: ("record_id", "source", "prompt", "chosen", "rejected", "margin"),
    RL_PROMPTS.name: ("record_id", "source", "prompt", "ground_truth", "verifier"),
    RL_ROLLOUTS.name: ("record_id", "run", "step", "prompt", "completion", "reward"),
    RL_CURRICULUM.name: ("record_id", "prompt", "attempts", "solved", "pass_rate"),
    EVAL_ITEMS.name: ("record_id", "item", "texts"),
    EVAL_INDEX.name: ("eval_set", "field", "text", "matched_by"),
    CONTAMINATION.name: ("record_id", "source", "eval_set", "coverage", "matching_text"),
    GOLD_SFT.name: ("record_ids", "seq_lengths", "input_ids"),
    GOLD_PREFERENCE.name: ("record_id", "source", "prompt", "chosen", "rejected", "margin"),
    GOLD_PROMPTS.name: ("record_id", "data_source", "prompt", "reward_model", "prompt_length"),
    GOLD_CURRICULUM.name: ("record_id", "data_source", "prompt", "reward_model", "pass_rate"),
    GOLD_ROLLOUTS.name: ("record_id", "run", "step", "input_ids", "length", "reward"),
}
REJECT_COLUMNS = ("reason", "detail", "line", "raw")
IDS = ("record_id", "record_ids")
Row = dict[str, str]


def sample(schema: str, paths: Sequence[Path]) -> list[Row]:
    """None of a schema that nobody looks at by row."""
    columns = COLUMNS.get(schema, ())
    if not columns:
        return []
    numbers = _smallest(paths) if RECORD_ID.name in columns else list(range(ROWS))
    return _rows_at(paths, numbers, columns)


def rejected_examples(counts: Mapping[str, int], paths: Sequence[Path]) -> list[Row]:
    """Of the most frequent reasons, the first reject each; `counts` are those of all reasons."""
    reasons = sorted(counts, key=lambda reason: (-counts[reason], reason))[:REASONS]
    found: dict[str, int] = {}
    for first, batch in _numbered(paths, "reason"):
        for reason in set(reasons) - found.keys():
            if (place := pc.index(batch, reason).as_py()) >= 0:
                found[reason] = first + place
        if len(found) == len(reasons):
            break
    return _rows_at(paths, [found[reason] for reason in reasons], REJECT_COLUMNS)


def _smallest(paths: Sequence[Path]) -> list[int]:
    """The rows with the smallest ids, of equal ones the first; a batch at a time, since ids may be many."""
    kept = pa.table({"id": pa.array([], pa.string()), "row": pa.array([], pa.int64())})
    for first, ids in _numbered(paths, RECORD_ID.name):
        rows = pa.array(np.arange(first, first + len(ids)))
        seen = pa.concat_tables([kept, pa.table({"id": ids, "row": rows})])
        order = [("id", "ascending"), ("row", "ascending")]
        kept = seen.take(pc.select_k_unstable(seen, k=ROWS, sort_keys=order))
    numbers: list[int] = kept.column("row").to_pylist()
    return numbers


def _numbered(paths: Sequence[Path], column: str) -> Iterator[tuple[int, pa.Array]]:
    """The column in batches, each with the number of its first row among all."""
    first = 0
    for batch in read_batches(paths, [column]):
        yield first, batch.column(0)
        first += batch.num_rows


def _rows_at(paths: Sequence[Path], numbers: Sequence[int], columns: Sequence[str]) -> list[Row]:
    """These rows, in this order, from the row groups that they lie in; those beyond the last are left out."""
    found: dict[int, Row] = {}
    first = 0
    for path in paths:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                wanted = [number for number in numbers if first <= number < first + rows]
                if wanted:
                    read = file.read_row_group(group, columns=list(columns))
                    places = [number - first for number in wanted]
                    found |= zip(wanted, map(_row, read.take(places).to_pylist()), strict=True)
                first += rows
    return _filled([found[number] for number in numbers if number in found])


def _row(values: Mapping[str, Any]) -> Row:
    return {name: _cell(_short(value) if name in IDS else value) for name, value in values.items()}


def _short(value: str | list[str]) -> str | list[str]:
    """As many digits of an id as tell it from others, and as `medallion trace` finds it by."""
    return value[:ID_DIGITS] if isinstance(value, str) else [each[:ID_DIGITS] for each in value]


def _cell(value: Any) -> str:
    """On one line, whose runs of blanks say nothing here."""
    text = inert(" ".join(_text(value).split()))
    return text if len(text) <= CHARACTERS else text[: CHARACTERS - 1] + MORE


def _text(value: Any) -> str:
    """Turns as they were said, what else is no text as JSON; of long ones little more than is shown."""
    if isinstance(value, str):
        return value[:READ_CHARACTERS]
    if isinstance(value, list):
        items = value[:CHARACTERS]
        said = [_said(item) for item in items if isinstance(item, Mapping)]
        return " → ".join(said) if said else f"[{', '.join(map(_text, items))}]"
    return "" if value is None else canonical_json(value)


def _said(item: Mapping[str, Any]) -> str:
    """A turn and who speaks, or an item's text and where it is from."""
    who, what = list(item.values())[:2]
    return f"{who}: {_text(what)}"


def _filled(rows: Sequence[Row]) -> list[Row]:
    """Without the columns that are empty in all of them."""
    return [{name: text for name, text in row.items() if any(each[name] for each in rows)} for row in rows]
