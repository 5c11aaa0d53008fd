"""Figures are exact: those that plain Python counts, however the rows come in batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.report.profile import (
    SAMPLE_RECORDS,
    Figures,
    Readers,
    columns_of,
    counts_of,
    figures_of,
    rejected_of,
    sample_of,
)
from medallion_assets.schemas import (
    PREFERENCE_UNIT,
    PROMPT_UNIT,
    REJECTS,
    ROLLOUT_UNIT,
    SFT_UNIT,
    UNIT_SCHEMAS,
)
from medallion_assets.storage.duck import connect
from medallion_assets.storage.parts import read_batches
from medallion_assets.units import Message

Row = dict[str, Any]
PROVENANCE = {"landing_date": date(2024, 9, 1), "export_sha256": "e", "record_number": 1, "line": 1}
# Stand-ins that anyone can count by hand: a token is a character, a language the first letter.
READERS = Readers(language_of=lambda text: text[:1] or None, count_tokens=lambda texts: [*map(len, texts)])
conversations = st.lists(st.text("abé 日\U0001f600", max_size=40), min_size=1, max_size=4)
records = st.lists(st.tuples(st.sampled_from(["alpha", "beta"]), conversations), min_size=1, max_size=60)


def conversation(number: int, source: str, contents: Sequence[str]) -> Row:
    messages = [Message("user", content).as_row() for content in contents]
    return {
        "record_id": f"{number * 7919 % 10007:032x}",
        "source": source,
        **PROVENANCE,
        "messages": messages,
    }


def stored(folder: Path, unit: str, rows: Sequence[Row]) -> Path:
    path = folder / "rows.parquet"
    pq.write_table(UNIT_SCHEMAS[unit].table(rows), path)
    return path


def figures(path: Path, unit: str, *, sizes: Sequence[int] = (2048,)) -> dict[str, Figures]:
    """In batches of these sizes, over and over."""
    with connect(path.parent) as duck:
        batches = rebatched(path, unit, sizes)
        return figures_of(duck, batches, unit=unit, sample=sample_of(duck, path), readers=READERS)


def rebatched(path: Path, unit: str, sizes: Sequence[int]) -> Iterator[pa.RecordBatch]:
    turn = 0
    for batch in read_batches([path], columns_of(unit)):
        while batch.num_rows:
            size = sizes[turn % len(sizes)]
            yield batch.slice(0, size)
            batch, turn = batch.slice(size), turn + 1


def quantile(values: Sequence[int], percent: int) -> int:
    """The least value that so many percent of all do not exceed."""
    return sorted(values)[-(-len(values) * percent // 100) - 1]


def counted(values: Sequence[int]) -> list[Row]:
    leasts = Counter(1 << value.bit_length() >> 1 for value in values)
    return [{"least": least, "count": count} for least, count in sorted(leasts.items())]


@given(records)
@settings(max_examples=20)
def test_figures_are_those_of_a_plain_count(found: list[tuple[str, list[str]]]) -> None:
    with TemporaryDirectory() as folder:
        path = stored(Path(folder), SFT_UNIT, [conversation(n, *record) for n, record in enumerate(found)])
        measured = figures(path, SFT_UNIT)
    for source in {source for source, _ in found}:
        texts = ["\n".join(contents) for owner, contents in found if owner == source]
        lengths, turns = [*map(len, texts)], [len(contents) for owner, contents in found if owner == source]
        characters = {"p5": quantile(lengths, 5), "p50": quantile(lengths, 50), "p95": quantile(lengths, 95)}
        assert measured[source]["characters"] == {
            "mean": sum(lengths) / len(lengths),
            **characters,
            "max": max(lengths),
        }
        assert measured[source]["histogram"] == counted(lengths)
        assert measured[source]["turns"] == {"mean": sum(turns) / len(turns), "max": max(turns)}
        assert measured[source]["sample"] == len(texts)
        tokens = {"characters_per_token": 1.0, **{key: characters[key] for key in ("p50", "p95")}}
        expected = {**tokens, "max": max(lengths)} if sum(lengths) else None
        assert measured[source]["tokens"] == expected
        languages = {item["language"]: item["count"] for item in measured[source]["languages"]}
        assert languages == Counter(text[:1] or None for text in texts)
    assert measured.keys() == {source for source, _ in found}


@given(records, st.lists(st.integers(1, 9), min_size=1, max_size=5))
@settings(max_examples=12)
def test_no_figure_depends_on_batches(found: list[tuple[str, list[str]]], sizes: list[int]) -> None:
    with TemporaryDirectory() as folder:
        path = stored(Path(folder), SFT_UNIT, [conversation(n, *record) for n, record in enumerate(found)])
        assert figures(path, SFT_UNIT, sizes=sizes) == figures(path, SFT_UNIT)


def test_words_of_a_conversation_are_counted(tmp_path: Path) -> None:
    rows = [
        conversation(n, "alpha", contents) for n, contents in enumerate([["One, two!", "three"], ["日本"]])
    ]
    [found] = figures(stored(tmp_path, SFT_UNIT, rows), SFT_UNIT).values()
    assert found["words"] == {"total": 5, "p50": 2, "p95": 3}


def test_the_sample_is_the_smallest_record_ids_of_each_source(tmp_path: Path) -> None:
    """Told by a letter that only those records begin with."""
    numbers = sorted(range(2 * SAMPLE_RECORDS), key=lambda number: number * 7919 % 10007)
    smallest = {*numbers[:SAMPLE_RECORDS]}
    rows = [conversation(n, "alpha", ["small" if n in smallest else "large"]) for n in sorted(numbers)]
    rows += [conversation(n, "beta", ["beta"]) for n in range(3)]
    found = figures(stored(tmp_path, SFT_UNIT, rows), SFT_UNIT, sizes=(97,))
    assert {source: (each["sample"], each["languages"]) for source, each in found.items()} == {
        "alpha": (SAMPLE_RECORDS, [{"language": "s", "count": SAMPLE_RECORDS}]),
        "beta": (3, [{"language": "b", "count": 3}]),
    }


TURN = Message("user", "ask").as_row()
ANSWER = Message("assistant", "good").as_row()
ROLLOUT: Row = {
    "rollout_key": "k",
    "run": "r",
    "step": 1,
    "sample": 0,
    "policy_version": 1,
    "reward_origin": "logged",
}
UNITS: dict[str, tuple[Row, int, int]] = {
    PREFERENCE_UNIT: ({"kind": "desirable", "prompt": [TURN, TURN], "chosen": [ANSWER]}, 13, 2),
    PROMPT_UNIT: ({"prompt_key": "k", "prompt": [TURN], "ground_truth": "42", "tools": "[]"}, 3, 1),
    ROLLOUT_UNIT: ({**ROLLOUT, "completion": "words"}, 6, 0),
}


@pytest.mark.parametrize("unit", UNITS)
def test_each_unit_has_its_texts_and_turns(unit: str, tmp_path: Path) -> None:
    """Lines divide the parts, also those that a record lacks; tools and truths are no parts."""
    columns, characters, turns = UNITS[unit]
    row = {"record_id": "0" * 32, "source": "alpha", **PROVENANCE, **columns}
    [found] = figures(stored(tmp_path, unit, [row]), unit).values()
    assert (found["characters"]["max"], found["turns"]["max"]) == (characters, turns)


@given(st.lists(st.tuples(*(st.sampled_from(pair) for pair in ("ab", "cd", "ef"))), max_size=30))
@settings(max_examples=12)
def test_rejects_are_counted_by_source_stage_and_reason(found: list[tuple[str, str, str]]) -> None:
    with TemporaryDirectory() as folder, connect(Path(folder)) as duck:
        path = Path(folder) / "rejects.parquet"
        rows = [{"source": s, "stage": t, "reason": r, "detail": "", **PROVENANCE} for s, t, r in found]
        pq.write_table(REJECTS.table(rows), path)
        counted = rejected_of(duck, [path, path])
        assert {
            (source, each["stage"], each["reason"]): each["count"]
            for source, rejects in counted.items()
            for each in rejects
        } == {key: 2 * count for key, count in Counter(found).items()}
        assert all(
            rejects == sorted(rejects, key=lambda each: (each["stage"], each["reason"]))
            for rejects in counted.values()
        )
        assert counts_of(duck, [path]) == Counter(source for source, _, _ in found)
