"""What a partition's records are like, in numbers by source: lengths, turns, languages, and why records left.

Belongs here: measuring rows and summing up, streamed and exact. Does not: which partitions (profile_stage.py)
or how the numbers look (plots.py). Tokens and languages cost too much for all rows, so a sample stands for
them: the records with the smallest ids, which are hashes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medallion_assets.schemas import PREFERENCE_UNIT, PROMPT_UNIT, ROLLOUT_UNIT, SFT_UNIT
from medallion_assets.text.alphabet import Array, alphabet
from medallion_assets.text.compared import CONVERSATION, text_of
from medallion_assets.text.words import word_counts

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

SAMPLE_RECORDS = 500  # of each source
# What is measured of a record: what was said, without the tools on offer or the truth to compare with.
SAID: Mapping[str, tuple[str, ...]] = {
    SFT_UNIT: CONVERSATION,
    PREFERENCE_UNIT: ("prompt", "chosen", "rejected"),
    PROMPT_UNIT: ("prompt",),
    ROLLOUT_UNIT: ("prompt", "completion"),
}

Figures = dict[str, Any]  # the columns of PROFILE that describe rows, by name


@dataclass(frozen=True)
class Readers:
    """What reads a sample of the texts; None where nobody has said by which tokenizer."""

    language_of: Callable[[str], str | None]
    count_tokens: Callable[[Sequence[str]], list[int]] | None


MEASURED = """
CREATE OR REPLACE TABLE measured (
    source VARCHAR, characters BIGINT, words BIGINT, turns BIGINT,
    is_read BOOLEAN, tokens BIGINT, language VARCHAR
)
"""
SAMPLE = f"""
SELECT file_row_number AS row FROM read_parquet($path, file_row_number = true)
QUALIFY row_number() OVER (PARTITION BY source ORDER BY record_id, row) <= {SAMPLE_RECORDS}
ORDER BY row
"""
# Sums of integers are exact, so no figure depends on how rows were batched or threads were scheduled.
FIGURES = """
SELECT source,
    {
        'mean': sum(characters) / count(*), 'p5': quantile_disc(characters, 0.05),
        'p50': quantile_disc(characters, 0.5), 'p95': quantile_disc(characters, 0.95), 'max': max(characters)
    },
    {
        'total': sum(words)::BIGINT, 'p50': quantile_disc(words, 0.5), 'p95': quantile_disc(words, 0.95)
    },
    {'mean': sum(turns) / count(*), 'max': max(turns)},
    count(*) FILTER (is_read),
    CASE WHEN sum(tokens) > 0 THEN {
        'characters_per_token': sum(characters) FILTER (is_read) / sum(tokens),
        'p50': quantile_disc(tokens, 0.5), 'p95': quantile_disc(tokens, 0.95), 'max': max(tokens)
    } END
FROM measured GROUP BY source
"""
FIGURE_NAMES = ("characters", "words", "turns", "sample", "tokens")
HISTOGRAM = """
SELECT source, if(characters = 0, 0, 1::BIGINT << (length(bin(characters)) - 1)) AS least, count(*) AS count
FROM measured GROUP BY ALL ORDER BY least
"""
LANGUAGES = """
SELECT source, language, count(*) AS count
FROM measured WHERE is_read GROUP BY ALL ORDER BY count DESC, language
"""
COUNTS = "SELECT source, count(*) AS count FROM read_parquet($paths) GROUP BY source"
REJECTED = """
SELECT source, stage, reason, count(*) AS count
FROM read_parquet($paths) GROUP BY ALL ORDER BY stage, reason
"""


def sample_of(duck: DuckDBPyConnection, path: Path) -> Array:
    """The rows of this file that are read, by number, ascending."""
    rows: Array = duck.sql(SAMPLE, params={"path": str(path)}).to_arrow_table().column("row").to_numpy()
    return rows


def figures_of(
    duck: DuckDBPyConnection,
    batches: Iterable[pa.RecordBatch],
    *,
    unit: str,
    sample: Array,
    readers: Readers,
) -> dict[str, Figures]:
    """By source, of all rows of a file, of which `sample` are read; the batches hold columns_of(unit)."""
    duck.execute(MEASURED)
    first = 0
    for batch in batches:
        begin, end = np.searchsorted(sample, [first, first + batch.num_rows])
        read = sample[begin:end] - first
        duck.register("batch", _measured(pa.Table.from_batches([batch]), unit, read, readers))
        duck.execute("INSERT INTO measured SELECT * FROM batch")
        first += batch.num_rows
    figures = {
        source: dict(zip(FIGURE_NAMES, figures, strict=True))
        for source, *figures in duck.sql(FIGURES).fetchall()
    }
    for column, query in (("histogram", HISTOGRAM), ("languages", LANGUAGES)):
        counted = _by_source(duck.sql(query))
        for source in figures:
            figures[source][column] = counted[source]
    return figures


def columns_of(unit: str) -> tuple[str, ...]:
    """The columns that figures are made of."""
    return ("source", *(("messages",) if unit == SFT_UNIT else SAID[unit]))


def counts_of(duck: DuckDBPyConnection, paths: Sequence[Path]) -> dict[str, int]:
    """How many rows each source has in these files."""
    counted = _counted(duck, COUNTS, paths)
    return {source: row["count"] for source, [row] in counted.items()}


def rejected_of(duck: DuckDBPyConnection, paths: Sequence[Path]) -> dict[str, list[dict[str, Any]]]:
    """By source, the rejects in these files, counted by stage and reason."""
    return _counted(duck, REJECTED, paths)


def _counted(duck: DuckDBPyConnection, query: str, paths: Sequence[Path]) -> dict[str, list[dict[str, Any]]]:
    if not paths:
        return {}  # DuckDB reads no empty list of files
    return _by_source(duck.sql(query, params={"paths": [str(path) for path in paths]}))


def _by_source(relation: DuckDBPyRelation) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in relation.to_arrow_table().to_pylist():
        found.setdefault(row.pop("source"), []).append(row)
    return found


def _measured(rows: pa.Table, unit: str, read: Array, readers: Readers) -> pa.Table:
    """The numbers of each row; of those to `read`, tokens and language too."""
    texts = text_of(rows, unit, SAID[unit])
    turns = rows.column("messages" if unit == SFT_UNIT else "prompt")
    sample = texts.take(pa.array(read)).to_pylist()
    tokens = readers.count_tokens(sample) if readers.count_tokens and sample else [None] * len(sample)
    languages = [readers.language_of(text) for text in sample]
    numbers = np.arange(rows.num_rows)
    places = pa.array(np.searchsorted(read, numbers), mask=~np.isin(numbers, read))
    return pa.table(
        {
            "source": rows.column("source"),
            "characters": pc.utf8_length(texts),
            "words": word_counts(texts, alphabet(symbols=False)),
            "turns": pc.fill_null(pc.list_value_length(turns), 0),
            "is_read": pc.is_valid(places),
            "tokens": pa.array(tokens, pa.int64()).take(places),
            "language": pa.array(languages, pa.string()).take(places),
        }
    )
