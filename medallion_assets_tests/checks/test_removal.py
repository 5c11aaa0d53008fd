"""Laws of removal rates: each source's own share of a day, silent where too few records could tell."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.checks.removal import LEAST_JUDGED, Removal, removals, too_many_removals
from medallion_assets.curate.stage import UnitStage
from medallion_assets.stage import Stage
from medallion_assets.storage.store import PartitionStore
from medallion_assets_tests.curate.fingerprinted import put, said, table_of

DAY = "2024-09-01"
SOURCES = tuple((name, table_of(name)) for name in ("first", "second", "silent"))
STAGE = UnitStage("sft_pairs", SOURCES, near_threshold=0.8)


@pytest.fixture
def store(tmp_path: Path) -> PartitionStore:
    return PartitionStore(tmp_path)


def build(store: PartitionStore, stage: UnitStage) -> None:
    made: Stage = stage
    store.overwrite(stage.table, DAY, made.build(store, DAY))  # type: ignore[arg-type]


def removal(conformed: int, reasons: Mapping[str, int]) -> Removal:
    return Removal("feed", DAY, conformed, reasons)


@given(st.integers(0, 3 * LEAST_JUDGED), st.data())
def test_the_rate_is_the_share_of_what_came(conformed: int, data: st.DataObject) -> None:
    gone = data.draw(st.integers(0, conformed))
    near = data.draw(st.integers(0, gone))
    found = removal(conformed, {"near_duplicate": near, "contaminated": gone - near}).rate
    assert found == (gone / conformed if conformed >= LEAST_JUDGED else 0.0)


def test_each_source_is_told_of_what_it_lost_itself(store: PartitionStore) -> None:
    texts = ["one two three four five six", "other words altogether", "ONE two three four five six!"]
    for source, count in (("first", 2), ("second", 3), ("silent", 0)):
        put(store, table_of(source), DAY, [said(text, 1, source=source) for text in texts[:count]])
    build(store, STAGE)
    assert removals(store, STAGE.table, DAY) == [
        Removal("first", DAY, 2, {}),
        Removal("second", DAY, 3, {"exact_duplicate": 2, "near_duplicate": 1}),
    ]


def test_a_day_that_is_not_there_tells_nothing(store: PartitionStore) -> None:
    assert removals(store, STAGE.table, DAY) == []


def test_a_fault_says_whose_when_how_much_and_why(store: PartitionStore) -> None:
    texts = [f"word{number} one two three four five six" for number in range(LEAST_JUDGED)]
    put(store, table_of("first"), DAY, [said(text, 1, source="first") for text in texts])
    put(store, table_of("second"), DAY, [said(text, 1, source="second") for text in texts])
    build(store, STAGE)
    assert too_many_removals(STAGE.table, {"first": 0.0, "second": 0.9}, store, [DAY]).faults == (
        {
            "partition": DAY,
            "source": "second",
            "rate": 1.0,
            "limit": "max_removal_rate 90%",
            "reasons": f"{LEAST_JUDGED} exact_duplicate",
        },
    )
