"""Laws of the rows that the UI shows: always the same few, short, and inert whatever others wrote."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets import schemas, schemas_gold
from medallion_assets.report.samples import CHARACTERS, COLUMNS, ID_DIGITS, REASONS, rejected_examples, sample
from medallion_assets.schemas import BRONZE, REJECTS, SFT_PAIRS, TableSchema

Row = dict[str, Any]
HOSTILE = (
    "<script>alert(1)</script>",
    "![x](http://x.invalid/p.png)",
    "\x1b[2J\n\r\t",
    "\u202egnp.exe",
    "🙂" * 999,
)
texts = st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=["Cs"]), max_size=600)
SCHEMAS = [each for each in {**vars(schemas), **vars(schemas_gold)}.values() if isinstance(each, TableSchema)]


def record(number: int, text: str) -> Row:
    place = {"export_sha256": "e", "record_number": number, "line": number}
    turns = [{"role": "user", "content": text, "train": False}] * (1 + number % 3)
    origin = {"source": text, "landing_date": date(2024, 9, 1), **place}
    return {"record_id": f"{number:032x}", **origin, "messages": turns}


def reject(number: int, reason: str, text: str) -> Row:
    place = {"export_sha256": "e", "record_number": number, "line": number, "landing_date": date(2024, 9, 1)}
    return {"stage": "conform", "reason": reason, "detail": text, "source": "s", "raw": text, **place}


def written(folder: str, schema: TableSchema, rows: list[Row], *, group: int = 7) -> list[Path]:
    path = Path(folder) / "part.parquet"
    pq.write_table(schema.table(rows), path, row_group_size=group)
    return [path]


records = st.dictionaries(st.integers(0, 10**6), texts, max_size=30)


@given(records, st.randoms(use_true_random=False), st.integers(1, 9))
def test_the_smallest_ids_are_shown_wherever_they_lie(found: dict[int, str], order: Any, group: int) -> None:
    rows = order.sample(sorted(found.items()), len(found))
    with TemporaryDirectory() as folder:
        paths = written(folder, SFT_PAIRS, [record(*row) for row in rows], group=group)
        shown = sample(SFT_PAIRS.name, paths)
    assert [row["record_id"] for row in shown] == [f"{n:032x}"[:ID_DIGITS] for n in sorted(found)[:3]]


@given(records)
def test_every_cell_is_one_short_line_that_steers_nothing(found: dict[int, str]) -> None:
    rejects = [reject(number, f"reason_{number % 7}", text) for number, text in found.items()]
    counts = Counter(row["reason"] for row in rejects)
    with TemporaryDirectory() as folder:
        shown = sample(SFT_PAIRS.name, written(folder, SFT_PAIRS, [record(*row) for row in found.items()]))
        shown += rejected_examples(counts, written(folder, REJECTS, rejects))
    cells = [cell for row in shown for cell in row.values()]
    assert [cell for cell in cells if len(cell) > CHARACTERS or not cell.isprintable()] == []


@given(st.lists(st.tuples(st.integers(0, 8), texts), max_size=40))
def test_of_the_most_frequent_reasons_the_first_reject_is_shown(found: list[tuple[int, str]]) -> None:
    rejects = [reject(number, f"reason_{code}", text) for number, (code, text) in enumerate(found, start=1)]
    counts = Counter(row["reason"] for row in rejects)
    first = {row["reason"]: str(row["line"]) for row in reversed(rejects)}
    with TemporaryDirectory() as folder:
        shown = rejected_examples(counts, written(folder, REJECTS, rejects))
    expected = sorted(counts, key=lambda reason: (-counts[reason], reason))[:REASONS]
    assert [(row["reason"], row["line"]) for row in shown] == [(name, first[name]) for name in expected]


def test_rows_without_an_id_are_the_first_of_all_files(tmp_path: Path) -> None:
    columns = {column.name: None for column in BRONZE.columns if column.nullable}
    given_ = {"source": "s", "landing_date": date(2024, 9, 1), "export_sha256": "e", "byte_offset": 0}
    paths = []
    for name in ("a", "b"):
        rows = [{**columns, **given_, "file": name, "record_number": n, "line": n} for n in (1, 2)]
        paths += written(str(tmp_path), BRONZE, rows)
        paths[-1] = paths[-1].rename(tmp_path / f"{name}.parquet")
    assert sample(BRONZE.name, paths) == [
        {"file": "a", "line": "1"},
        {"file": "a", "line": "2"},
        {"file": "b", "line": "1"},
    ]


def test_what_is_shown_of_a_schema_are_columns_of_it() -> None:
    names = {schema.name: {column.name for column in schema.columns} for schema in SCHEMAS}
    assert {
        name: set(shown) - names[name] for name, shown in COLUMNS.items() if set(shown) - names[name]
    } == {}
    assert names.keys() - COLUMNS.keys() == {"rejects", "fingerprints", "profile"}


def test_a_wide_record_is_shown_in_little_room(tmp_path: Path) -> None:
    """Base64 of 3 MB is one word; of it no more than a cell is kept."""
    path = written(str(tmp_path), SFT_PAIRS, [record(1, "QUJD" * 750_000)])
    [row] = sample(SFT_PAIRS.name, path)
    assert sum(map(len, row.values())) < 3 * CHARACTERS
    assert pa.array([row["messages"]])[0].as_py().endswith("…")
