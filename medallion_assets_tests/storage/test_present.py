"""Laws of looking at a table from outside: its present files, all of them, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from medallion_assets.storage.present import present_files
from medallion_assets.storage.store import MissingPartition, PartitionStore
from medallion_assets_tests.storage.samples import BRONZE_LOG, SILVER, append_of, build_of, gold

DAYS = ("2024-09-01", "2024-09-02", "2024-09-03")


@pytest.fixture
def store(tmp_path: Path) -> PartitionStore:
    return PartitionStore(tmp_path)


def test_superseded_files_are_not_among_them(store: PartitionStore) -> None:
    for values in ((1, 2), (3,)):
        for day in DAYS:
            store.overwrite(SILVER, day, build_of(*values))
    expected = [path for day in DAYS for path in store.paths(SILVER, day)]
    assert present_files("silver/numbers", data=store.root) == expected
    assert len(list(store.root.rglob("part-*.parquet"))) == 2 * len(expected)


def test_of_a_recipe_the_version_in_use_is_taken(store: PartitionStore) -> None:
    for version in ("aa", "bb"):
        store.overwrite(gold(version), DAYS[0], build_of(1))
    assert present_files("gold/packed", data=store.root) == store.paths(gold("bb"), DAYS[0])


def test_every_export_of_a_day_is_a_file(store: PartitionStore) -> None:
    store.append(BRONZE_LOG, DAYS[0], append_of(a=[1], b=[2]))
    assert len(present_files("bronze/log", data=store.root)) == 2


def test_a_window_has_both_its_ends(store: PartitionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for day in DAYS:
        store.overwrite(SILVER, day, build_of(1))
    monkeypatch.setenv("MEDALLION_DATA", str(store.root))
    found = present_files("silver/numbers", first=DAYS[0], last=DAYS[1])
    assert [path.parent.name for path in found] == [f"dt={day}" for day in DAYS[:2]]


def test_nothing_at_all_is_an_error(store: PartitionStore) -> None:
    with pytest.raises(MissingPartition, match="gold/packed has no partition of any date"):
        present_files("gold/packed", data=store.root)
    store.overwrite(SILVER, DAYS[0], build_of(1))
    with pytest.raises(MissingPartition, match="from 2025-01-01"):
        present_files("silver/numbers", first="2025-01-01", data=store.root)
