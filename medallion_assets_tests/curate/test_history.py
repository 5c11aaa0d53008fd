"""Laws of the history: fingerprints by their place in the order, as they stand in the files."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.curate import buckets as buckets_module
from medallion_assets.curate import deposits as deposits_module
from medallion_assets.curate.buckets import sweep
from medallion_assets.curate.deposits import Deposit, deposits, fingerprints_in, let_go
from medallion_assets.curate.history import History
from medallion_assets.schemas import FINGERPRINTS
from medallion_assets.storage import tables
from medallion_assets.storage.manifest import Digests
from medallion_assets.storage.store import Build, MissingFingerprints, PartitionStore
from medallion_assets_tests.curate.fingerprinted import Row, filed, put, said, table_of

DAYS = ("2024-09-01", "2024-09-02", "2024-09-03")
SOURCES = tuple((name, table_of(name)) for name in ("zeta", "alpha"))
# By day and source, how many rows there are; a file holds three in a batch.
ROWS = {
    (DAYS[0], "zeta"): 7,
    (DAYS[0], "alpha"): 1,
    (DAYS[1], "alpha"): 3,
    (DAYS[2], "zeta"): 0,
    (DAYS[2], "alpha"): 10,
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> PartitionStore:
    store = PartitionStore(tmp_path_factory.mktemp("history"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "FINGERPRINTS", replace(FINGERPRINTS, row_group_rows=3))
        for (day, source), count in ROWS.items():
            # Texts of no words, of one run and of several, so that sets have all sizes.
            rows = [said(f"{day} {source} " * (number % 5), number, day=day) for number in range(count)]
            put(store, table_of(source), day, rows)
    return store


@pytest.fixture(scope="module")
def history(store: PartitionStore) -> History:
    return History(deposits(store, SOURCES, upto=DAYS[-1]), store.root / "kept")


@pytest.fixture(scope="module")
def plain(history: History) -> list[Row]:
    """All rows of all files, in the order of records."""
    return [row for each in history.deposits for row in filed(each.path)]


def test_what_was_let_go_is_there_again(history: History) -> None:
    everything = np.arange(len(history))
    before = history.shingles(everything)[0].tolist()
    let_go()
    assert history.shingles(everything)[0].tolist() == before


def test_deposits_come_by_day_then_by_the_rank_of_their_source(store: PartitionStore) -> None:
    found = [(each.day, each.source, each.rows) for each in deposits(store, SOURCES, upto=DAYS[-1])]
    assert found == [
        (DAYS[0], "zeta", 7),
        (DAYS[0], "alpha", 1),
        (DAYS[1], "alpha", 3),
        (DAYS[2], "alpha", 10),
    ]
    assert len(deposits(store, SOURCES, upto=DAYS[1])) == 3
    assert [each.source for each in deposits(store, SOURCES[::-1], upto=DAYS[0])] == ["alpha", "zeta"]
    assert deposits(store, SOURCES, upto="2024-08-31") == ()


def test_files_have_several_batches(history: History) -> None:
    assert [len(fingerprints_in(each.path)) for each in history.deposits] == [3, 1, 1, 4]


@given(st.data())
def test_positions_find_what_the_files_hold(history: History, plain: list[Row], data: st.DataObject) -> None:
    """In any order but that of shingles, which ascend, and some of them twice."""
    chosen = data.draw(st.lists(st.integers(0, len(plain) - 1)))
    positions = np.array(chosen, np.int64)
    expected = [plain[position] for position in chosen]
    assert [row.tobytes() for row in history.keys(positions)] == [row["dedup_key"] for row in expected]
    assert [row.tobytes() for row in history.signatures(positions)] == [row["minhash"] for row in expected]
    assert history.sizes(positions).tolist() == [len(row["shingles"]) for row in expected]
    shingles, first = history.shingles(np.sort(positions))
    assert [shingles[a:b].tolist() for a, b in pairwise(first)] == [
        plain[position]["shingles"] for position in sorted(chosen)
    ]


def test_every_position_has_its_deposit_and_row(history: History) -> None:
    found = [(each.day, each.source, row) for each, row in history.places(np.arange(len(history)))]
    expected = [(day, source, row) for (day, source), count in ROWS.items() for row in range(count)]
    assert found == expected


def test_a_history_of_nothing_is_empty(tmp_path: Path) -> None:
    none, empty = np.zeros(0, np.int64), History((), tmp_path)
    assert len(empty) == 0
    assert empty.keys(none).shape == (0, 16)
    assert empty.shingles(none)[1].tolist() == [0]


def long_history(root: Path, *, days: int) -> tuple[Deposit, ...]:
    store, table = PartitionStore(root), table_of("feed")
    names = [(date(2024, 9, 1) + timedelta(number)).isoformat() for number in range(days)]
    for name in names:
        put(store, table, name, [said(f"words of {name}")])
    return deposits(store, [("feed", table)], upto=names[-1])


def all_of(history: History) -> list[Any]:
    everything = np.arange(len(history))
    asked = (history.keys, history.signatures, history.sizes)
    return [ask(everything).tolist() for ask in asked] + [history.shingles(everything)[0].tolist()]


def test_only_shingles_are_looked_up_in_the_days_own_files(tmp_path: Path) -> None:
    seen = long_history(tmp_path, days=3)
    *expected, _ = all_of(History(seen, tmp_path / "kept"))
    for each in seen:
        each.path.unlink()
    fingerprints_in.cache_clear()
    history = History(seen, tmp_path / "kept")
    everything = np.arange(len(history))
    assert [ask(everything).tolist() for ask in (history.keys, history.signatures, history.sizes)] == expected
    with pytest.raises(FileNotFoundError):
        history.shingles(everything)


def test_a_long_history_keeps_a_bounded_number_of_files_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = long_history(tmp_path, days=40)
    expected = all_of(History(seen, tmp_path / "kept"))
    few = lru_cache(maxsize=2)
    monkeypatch.setattr(buckets_module, "MOST_ROWS", 0)
    monkeypatch.setattr(buckets_module, "_mapped", few(buckets_module._mapped.__wrapped__))
    opened = few(fingerprints_in.__wrapped__)
    for module in (buckets_module, deposits_module):
        monkeypatch.setattr(module, "fingerprints_in", opened)
    before = len(list(Path("/proc/self/fd").iterdir()))
    history = History(seen, tmp_path / "kept")
    assert len(list(history.buckets())) == 40
    assert all_of(history) == expected
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 4


def test_a_file_that_is_swept_can_still_be_read_by_who_has_it(tmp_path: Path) -> None:
    store, table = PartitionStore(tmp_path), table_of("feed")
    put(store, table, DAYS[0], [said("some old words")])
    old = History(deposits(store, [("feed", table)], upto=DAYS[0]), tmp_path / "kept")
    before = all_of(old)
    put(store, table, DAYS[0], [said("some new words")])
    store.sweep(table, grace_seconds=-1)
    sweep(tmp_path / "kept", unused_seconds=-1)
    new = History(deposits(store, [("feed", table)], upto=DAYS[0]), tmp_path / "kept")
    assert not old.deposits[0].path.exists()
    assert all_of(old) == before != all_of(new)


def test_a_partition_of_an_older_version_says_how_to_rebuild_it(tmp_path: Path) -> None:
    store, table = PartitionStore(tmp_path), replace(table_of("feed"), fingerprinted=False)
    rows = table.schema.table([said("words")])
    store.overwrite(table, DAYS[0], Build(lambda: Digests("", "", ""), lambda writer: writer.rows(rows)))
    with pytest.raises(MissingFingerprints) as raised:
        deposits(store, [("feed", table_of("feed"))], upto=DAYS[0])
    assert str(raised.value) == (
        "silver/feed_conformed 2024-09-01 has no fingerprints, which an older version did not write; "
        "rebuild it: dagster asset materialize --select silver/feed_conformed --partition 2024-09-01, "
        "or all days at once with --partition-range FIRST...LAST"
    )
