"""Laws of unique records: whatever is there twice is named with its days, in memory or on the disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from medallion_assets.checks import unique
from medallion_assets.checks.unique import repeated_in_unit
from medallion_assets.curate.stage import UnitStage
from medallion_assets.storage.store import PartitionStore
from medallion_assets_tests.curate.fingerprinted import said, table_of
from medallion_assets_tests.curate.test_decontaminate_stages import put

UNIT = UnitStage("sft_pairs", (("feed", table_of("feed")),))
DAYS = ["2024-09-01", "2024-09-02"]


@pytest.fixture(params=[0, 1_000_000], ids=["on disk", "in memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PartitionStore:
    monkeypatch.setattr(unique, "IN_MEMORY", request.param)
    return PartitionStore(tmp_path)


def keep(store: PartitionStore, day: str, *texts: str) -> None:
    put(store, UNIT.table, day, [said(text, 1, source="feed") for text in texts])


def repeated(store: PartitionStore, *days: str) -> list[tuple[object, object]]:
    found = repeated_in_unit(UNIT, store, list(days)).faults
    return [(fault["partition"], fault["times_in_all"]) for fault in found]


def test_a_record_is_there_once_on_every_day(store: PartitionStore) -> None:
    keep(store, DAYS[0], "one", "two")
    keep(store, DAYS[1], "three")
    assert repeated(store, *DAYS) == []


def test_twice_within_a_day_is_told(store: PartitionStore) -> None:
    keep(store, DAYS[0], "one", "two", "one", "one")
    keep(store, DAYS[1], "three")
    assert repeated(store, *DAYS) == [(DAYS[0], 3)]


def test_twice_on_two_days_is_told_of_both_where_both_are_looked_at(store: PartitionStore) -> None:
    keep(store, DAYS[0], "one", "two")
    keep(store, DAYS[1], "one")
    assert repeated(store, *DAYS) == [(DAYS[0], 2), (DAYS[1], 2)]
    assert repeated(store, DAYS[1]) == []


def test_nothing_is_there_once(store: PartitionStore) -> None:
    assert repeated(store) == []
