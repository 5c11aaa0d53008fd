"""Wherever partitions and ranges of rows are made, the stored bytes are the same."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medallion_assets.config.pipeline import PipelineConfig
from medallion_assets.fanout import rows
from medallion_assets.fanout.backend import TaskFailed, nobody
from medallion_assets.fanout.partitions import Fanout, Partitions
from medallion_assets.fanout.pool import Pool, end_idle
from medallion_assets.progress import Progress
from medallion_assets.stage import StagePartition
from medallion_assets.storage import parts
from medallion_assets_tests.fanout.held import LET_GO, Held, callers
from medallion_assets_tests.fanout.ranges import built, made_of
from medallion_assets_tests.faults.trees import Tree
from medallion_assets_tests.instance import wait_for
from medallion_assets_tests.pipeline.sample import TOKENIZER
from medallion_assets_tests.pipeline.units_sample import CONFIG, DAY_AFTER, DAYS, LANDINGS
from medallion_assets_tests.pipeline.works import Works
from medallion_assets_tests.real_data import real_data

ALL_DAYS = (*DAYS, DAY_AFTER)
WEEK = [f"2024-09-{day:02}" for day in range(1, 8)]
REAL = PipelineConfig.model_validate(
    {
        "start_date": WEEK[0],
        "sources": [{"name": "alpaca", "unit": "sft_pairs", "format": "alpaca"}],
        "recipes": [
            {
                "name": "mixed",
                "unit": "sft_pairs",
                "tokenizer": TOKENIZER,
                "max_length": 256,
                "too_long": "split",
                "mix": {"alpaca": 1.5},
                "where": "line % 7 > 0",
                "holdout": 0.1,
            }
        ],
    }
)


@pytest.fixture(scope="module", autouse=True)
def _own_workers() -> Iterator[None]:
    yield
    end_idle()


def all_units(folder: Path) -> Works:
    works = Works(folder, CONFIG)
    for day in DAYS:
        for name, landed in LANDINGS[day].items():
            works.land(name, landed)
    return works


@pytest.fixture(scope="module")
def built_here(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return built(all_units(tmp_path_factory.mktemp("local")), ALL_DAYS, Fanout())


def test_a_range_is_the_same_on_a_pool(built_here: Tree, tmp_path: Path) -> None:
    assert built(all_units(tmp_path), ALL_DAYS, Fanout(Pool(2))) == built_here


class Counting(Pool):
    """A pool that counts the ranges of rows that it was given."""

    ranges = 0

    def map(self, function: Any, tasks: Any, *, listen: Any = nobody) -> Any:
        self.ranges += sum("rows from" in task.name for task in tasks)
        return super().map(function, tasks, listen=listen)


def test_ranges_of_rows_are_the_same_on_a_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With row groups of three rows, each of them a task of its own, and all partitions written here."""
    whole = parts.group_ends
    monkeypatch.setattr(parts, "group_ends", lambda sizes, rows, most: whole(sizes, min(rows, 3), most))
    monkeypatch.setattr(rows, "RANGE_ROWS", 3)
    pool = Counting(2)
    trees = []
    for name, fanout in (("local", Fanout()), ("pool", Fanout(pool, large_rows=1))):
        works = all_units(tmp_path / name)
        trees.append([built(works, [day], fanout) for day in ALL_DAYS][-1])
    assert trees[0] == trees[1]
    assert pool.ranges > 40


def real_week(folder: Path, config: PipelineConfig) -> Works:
    """A week of Alpaca, of which the fourth day has two row groups."""
    works = Works(folder, config)
    with gzip.open(real_data("sft/alpaca_52k.json.gz"), "rt") as file:
        records = json.load(file)
    for number, day in enumerate(WEEK):
        works.land(f"alpaca/{day}/a.jsonl", records[number * 300 :][: 9_000 if number == 3 else 500])
    return works


def test_real_records_are_the_same_in_ranges_of_days_and_of_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "RANGE_ROWS", 1)
    here = built(real_week(tmp_path / "local", REAL), WEEK, Fanout())
    pool = Counting(2)
    assert built(real_week(tmp_path / "pool", REAL), WEEK, Fanout(pool, large_rows=5_000)) == here
    assert pool.ranges == 6  # of conformed, and of both sides of the recipe


def test_ranges_cover_every_row_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    works = all_units(tmp_path)
    built(works, ALL_DAYS, Fanout())
    bronze = works.stage("bronze/rollouts")
    manifest = works.store.manifest(bronze.table, DAYS[0])
    assert manifest is not None
    for most in (1, 3, 1000):
        monkeypatch.setattr(rows, "RANGE_ROWS", most)
        found = list(rows._ranges(works.store, bronze.table, DAYS[0], manifest.parts))
        read = [row for each in found for batch in each.batches() for row in batch.to_pylist()]
        assert read == [
            row for batch in works.store.batches(bronze.table, DAYS[0]) for row in batch.to_pylist()
        ]
        assert [each.first for each in found] == [sum(e.rows for e in found[:n]) for n in range(len(found))]


def test_two_runs_on_one_partition_build_it_once(tmp_path: Path) -> None:
    """A run that is tried again while a worker of the first goes on waits, and finds it done."""
    works = all_units(tmp_path / "works")
    conformed = works.stage("silver/alpaca_conformed")
    for day in DAYS[:2]:
        works.build(works.stage("bronze/alpaca"), day)
    folder = tmp_path / "held"
    folder.mkdir()
    made = {
        **made_of(conformed, works.store, DAYS[:2]),
        DAYS[0]: Held(StagePartition(conformed, conformed.table, DAYS[0]), folder),
    }
    changed: list[bool] = []

    def run() -> None:
        partitions = Partitions(works.store, conformed.table, made)
        for key, written in partitions.written(Fanout(Pool(2)), Progress("t", 2, lambda _: None)):
            changed.extend([written.changed] if key == DAYS[0] else [])

    runs = [threading.Thread(target=run) for _ in range(2)]
    for each in runs:
        each.start()
    # This process, which looks how large it is, and two workers.
    wait_for(lambda: callers(folder) == 3, seconds=60, what="the second builder")
    (folder / LET_GO).touch()
    for each in runs:
        each.join()
    assert sorted(changed) == [False, True]


def test_the_partition_that_fails_is_named_and_those_before_it_are_told(tmp_path: Path) -> None:
    works = all_units(tmp_path)
    bronze, conformed = works.stage("bronze/alpaca"), works.stage("silver/alpaca_conformed")
    for day in DAYS[:2]:
        works.build(bronze, day)
    made = made_of(conformed, works.store, DAYS)
    told = []

    def build() -> None:
        partitions = Partitions(works.store, conformed.table, made)
        for key, _ in partitions.written(Fanout(Pool(2)), Progress("t", 3, lambda _: None)):
            told.append(key)  # those before the failure

    with pytest.raises(TaskFailed, match=rf"silver/alpaca_conformed {DAYS[2]}: MissingPartition"):
        build()
    assert told == list(DAYS[:2])
