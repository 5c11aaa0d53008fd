"""What a partition's records are like, in numbers by source: lengths, turns, languages, and why records left.

Belongs here: measuring rows and summing up, streamed and exact. Does not: which partitions (profile_stage.py)
or how the numbers look (plots.py). Tokens and languages cost too much for all rows, so a sample stands for
them: the records with the smallest ids, which are hashes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medallion_assets.schemas import SFT_UNIT
from medallion_assets.storage.duck import connect
from medallion_assets.text.alphabet import Array, alphabet
from medallion_assets.text.compared import PARTS, text_of
from medallion_assets.text.words import words_of

if TYPE_CHECKING:
    import duckdb

# Per source.
TOKEN_SAMPLE, LANGUAGE_SAMPLE = 1000, 500

Figures = dict[str, Any]  # the columns of PROFILE that describe rows, by name


@dataclass(frozen=True)
class Readers:
    """What reads a sample of the texts; None where nobody has said by which tokenizer."""

    language_of: Callable[[str], str | None]
    count_tokens: Callable[[Sequence[str]], list[int]] | None


MEASURED = """
CREATE TABLE measured (
    source VARCHAR, characters BIGINT, words BIGINT, turns BIGINT, tokens BIGINT,
    is_read BOOLEAN, language VARCHAR
)
"""
SAMPLE = f"""
SELECT row, place FROM (
    SELECT file_row_number AS row,
        row_number() OVER (PARTITION BY source ORDER BY record_id, file_row_number) AS place
    FROM read_parquet($path, file_row_number = true)
)
WHERE place <= {max(TOKEN_SAMPLE, LANGUAGE_SAMPLE)} ORDER BY row
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
    CASE WHEN sum(tokens) > 0 THEN {
        'characters_per_token': sum(characters) FILTER (tokens IS NOT NULL) / sum(tokens),
        'sample': count(tokens), 'p50': quantile_disc(tokens, 0.5), 'p95': quantile_disc(tokens, 0.95),
        'max': max(tokens)
    } END,
    {'mean': sum(turns) / count(*), 'max': max(turns)}
FROM measured GROUP BY source
"""
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


@dataclass(frozen=True)
class Sample:
    """Rows of a file by number, ascending, and the place of each in the sample of its source, from 1."""

    rows: Array
    places: Array

    def places_in(self, first: int, count: int) -> Array:
        """Those of `count` rows from the first; 0 = not in the sample."""
        begin, end = np.searchsorted(self.rows, [first, first + count])
        places = np.zeros(count, np.int64)
        places[self.rows[begin:end] - first] = self.places[begin:end]
        return places


def sample_of(path: Path, *, scratch: Path) -> Sample:
    with connect(scratch) as duck:
        found = duck.sql(SAMPLE, params={"path": str(path)}).to_arrow_table()
    return Sample(found.column("row").to_numpy(), found.column("place").to_numpy())


def figures_of(
    batches: Iterable[pa.RecordBatch], unit: str, sample: Sample, readers: Readers, *, scratch: Path
) -> dict[str, Figures]:
    """By source, of all rows of a file, which `sample` numbers; the batches hold columns_of(unit)."""
    with connect(scratch) as duck:
        duck.execute(MEASURED)
        first = 0
        for batch in batches:
            places = sample.places_in(first, batch.num_rows)
            duck.register("batch", _measured(pa.Table.from_batches([batch]), unit, places, readers))
            duck.execute("INSERT INTO measured SELECT * FROM batch")
            first += batch.num_rows
        figures = {
            source: {"characters": characters, "words": words, "tokens": tokens, "turns": turns}
            for source, characters, words, tokens, turns in duck.sql(FIGURES).fetchall()
        }
        for column, query in (("histogram", HISTOGRAM), ("languages", LANGUAGES)):
            counted = _by_source(duck.sql(query))
            for source in figures:
                figures[source][column] = counted[source]
    return figures


def columns_of(unit: str) -> tuple[str, ...]:
    """The columns that figures are made of."""
    return ("source", *(("messages", "tools") if unit == SFT_UNIT else PARTS[unit]))


def counts_of(paths: Sequence[Path], *, scratch: Path) -> dict[str, int]:
    """How many rows each source has in these files."""
    counted = _counted(COUNTS, paths, scratch)
    return {source: row["count"] for source, [row] in counted.items()}


def rejected_of(paths: Sequence[Path], *, scratch: Path) -> dict[str, list[dict[str, Any]]]:
    """By source, the rejects in these files, counted by stage and reason."""
    return _counted(REJECTED, paths, scratch)


def _counted(query: str, paths: Sequence[Path], scratch: Path) -> dict[str, list[dict[str, Any]]]:
    if not paths:
        return {}  # DuckDB reads no empty list of files
    with connect(scratch) as duck:
        return _by_source(duck.sql(query, params={"paths": [str(path) for path in paths]}))


def _by_source(relation: duckdb.DuckDBPyRelation) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in relation.to_arrow_table().to_pylist():
        found.setdefault(row.pop("source"), []).append(row)
    return found


def _measured(rows: pa.Table, unit: str, places: Array, readers: Readers) -> pa.Table:
    """The numbers of each row."""
    texts = text_of(rows, unit, PARTS[unit])
    turns = rows.column("messages" if unit == SFT_UNIT else "prompt")
    tokens = _read(texts, (places > 0) & (places <= TOKEN_SAMPLE), readers.count_tokens)
    is_read = (places > 0) & (places <= LANGUAGE_SAMPLE)
    languages = _read(texts, is_read, lambda sample: [readers.language_of(text) for text in sample])
    return pa.table(
        {
            "source": rows.column("source"),
            "characters": pc.utf8_length(texts),
            "words": words_of(texts, alphabet(symbols=False)).counts,
            "turns": pc.fill_null(pc.list_value_length(turns), 0),
            "tokens": pa.array(tokens, pa.int64()),
            "is_read": is_read,
            "language": pa.array(languages, pa.string()),
        }
    )


def _read(texts: pa.StringArray, chosen: Array, read: Callable[[list[str]], list[Any]] | None) -> list[Any]:
    """What is read of the chosen texts, each in its place; None elsewhere."""
    found: list[Any] = [None] * len(texts)
    places = np.flatnonzero(chosen)
    if read is not None and len(places):
        for place, value in zip(places, read(texts.take(places).to_pylist()), strict=True):
            found[place] = value
    return found
