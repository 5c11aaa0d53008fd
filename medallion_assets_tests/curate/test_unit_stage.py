"""The survivor rule on small histories, against a model of it that fits on a screen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.curate.stage import UnitStage
from medallion_assets.schemas import SFT_PAIRS
from medallion_assets.stage import partitions_to_settle
from medallion_assets.storage.store import PartitionStore, Table
from medallion_assets_tests.curate.fingerprinted import put

DAYS = ("2024-09-01", "2024-09-02", "2024-09-03", "2024-09-04")
# Their rank is this order, which is not the order of their names.
SOURCES = ("zeta", "alpha", "mid")
STAGE = UnitStage(
    "sft_pairs",
    tuple((name, Table("silver", f"{name}_conformed", SFT_PAIRS, fingerprinted=True)) for name in SOURCES),
)
Row = dict[str, Any]


@dataclass(frozen=True, order=True)
class Record:
    """A record's place in the total order, and what it says."""

    day: str
    rank: int
    export: str
    number: int
    content: int

    @property
    def key(self) -> tuple[str, str, int]:
        return SOURCES[self.rank], self.export, self.number

    def row(self) -> Row:
        message = {"role": "user", "content": str(self.content), "train": False}
        return {
            "record_id": f"{self.content:032x}",
            "source": SOURCES[self.rank],
            "landing_date": date.fromisoformat(self.day),
            "export_sha256": self.export,
            "record_number": self.number,
            "line": self.number,
            "messages": [message],
        }


@st.composite
def histories(draw: st.DrawFn) -> dict[str, dict[int, list[Record]]]:
    """Days and sources with few contents, so that they repeat; some partitions are empty, some absent.

    Within a partition, exports stand in the order of their hashes, as bronze keeps them.
    """
    pairs = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 4)), max_size=4)
    contents = pairs.map(lambda rows: sorted(rows, key=lambda row: row[0]))
    days = draw(st.lists(st.sampled_from(DAYS), min_size=1, max_size=4, unique=True).map(sorted))
    history: dict[str, dict[int, list[Record]]] = {}
    for day in days:
        found = draw(st.dictionaries(st.sampled_from(range(len(SOURCES))), contents, min_size=1))
        history[day] = {
            rank: [
                Record(day, rank, export * 64, number, content)
                for number, (export, content) in enumerate(rows, start=1)
            ]
            for rank, rows in found.items()
        }
    return history


def land(store: PartitionStore, records: dict[int, list[Record]], day: str) -> None:
    for rank, rows in records.items():
        put(store, STAGE.conformed[rank][1], day, [record.row() for record in rows])


def build(store: PartitionStore, day: str) -> bool:
    return store.overwrite(STAGE.table, day, STAGE.build(store, day)).changed


def stored(store: PartitionStore, day: str, *, rejects: bool = False) -> list[Row]:
    return [row for batch in store.batches(STAGE.table, day, rejects=rejects) for row in batch.to_pylist()]


def key_of(row: Row) -> tuple[str, str, int]:
    return row["source"], row["export_sha256"], row["record_number"]


def bytes_of(store: PartitionStore) -> dict[str, list[str]]:
    """The SHA-256 of every part, by day."""
    manifests = {day: store.manifest(STAGE.table, day) for day in store.keys(STAGE.table)}
    return {day: [part.sha256 for part in m.parts + m.rejects] for day, m in manifests.items() if m}


def survivors(history: dict[str, dict[int, list[Record]]]) -> dict[int, Record]:
    """The model: of each content, the first record in the total order."""
    first: dict[int, Record] = {}
    for record in sorted(r for sources in history.values() for rows in sources.values() for r in rows):
        first.setdefault(record.content, record)
    return first


@given(histories())
@settings(max_examples=25)
def test_survivors_rejects_and_twins_are_the_models(history: dict[str, dict[int, list[Record]]]) -> None:
    first = survivors(history)
    with TemporaryDirectory() as root:
        store = PartitionStore(Path(root))
        for day, records in history.items():
            land(store, records, day)
        for day, records in history.items():
            build(store, day)
            landed = [record for rank in sorted(records) for record in records[rank]]
            alive = [record.key for record in landed if first[record.content] == record]
            assert [key_of(row) for row in stored(store, day)] == alive
            twins = {
                key_of(row): (row["twin_source"], f"{row['twin_landing_date']}")
                for row in stored(store, day, rejects=True)
            }
            lost = [record for record in landed if first[record.content] != record]
            assert twins == {
                record.key: (SOURCES[first[record.content].rank], first[record.content].day)
                for record in lost
            }
            assert len(stored(store, day, rejects=True)) == len(lost)


@given(histories(), st.randoms(use_true_random=False))
@settings(max_examples=10)
def test_any_order_of_landing_gives_the_bytes_of_the_ascending_one(
    history: dict[str, dict[int, list[Record]]], order: Any
) -> None:
    landings = [(day, rank) for day, records in history.items() for rank in records]
    order.shuffle(landings)
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        ascending, settled = PartitionStore(Path(one)), PartitionStore(Path(other))
        for day in history:
            land(ascending, history[day], day)
            build(ascending, day)
        for day, rank in landings:
            land(settled, {rank: history[day][rank]}, day)
            for stale in [day, *partitions_to_settle(STAGE, settled, [day])]:
                build(settled, stale)
        assert bytes_of(settled) == bytes_of(ascending)
        assert partitions_to_settle(STAGE, settled, [DAYS[0]]) == []


@pytest.fixture
def store(tmp_path: Path) -> PartitionStore:
    return PartitionStore(tmp_path)


def test_a_reject_tells_its_stage_reason_and_twin(store: PartitionStore) -> None:
    first, again = Record(DAYS[0], 1, "a" * 64, 1, 5), Record(DAYS[1], 0, "b" * 64, 7, 5)
    land(store, {1: [first]}, DAYS[0])
    land(store, {0: [again]}, DAYS[1])
    build(store, DAYS[1])
    [reject] = stored(store, DAYS[1], rejects=True)
    provenance = {key: value for key, value in again.row().items() if key != "messages"}
    assert reject == provenance | {
        "stage": "dedup",
        "reason": "exact_duplicate",
        "detail": "equal to a record of alpha landed on 2024-09-01",
        "twin_record_id": first.row()["record_id"],
        "twin_source": "alpha",
        "twin_landing_date": date(2024, 9, 1),
        "similarity": 1.0,
        "raw": None,
        "raw_bytes": None,
    }


def test_the_rank_of_a_source_decides_within_a_day(store: PartitionStore) -> None:
    records = {rank: [Record(DAYS[0], rank, "a" * 64, 1, 5)] for rank in (2, 1, 0)}
    land(store, records, DAYS[0])
    build(store, DAYS[0])
    assert [row["source"] for row in stored(store, DAYS[0])] == ["zeta"]


def test_a_late_landing_makes_exactly_the_later_days_stale(store: PartitionStore) -> None:
    for day in (DAYS[0], DAYS[2], DAYS[3]):
        land(store, {0: [Record(day, 0, "a" * 64, 1, 5)]}, day)
        build(store, day)
    land(store, {0: [Record(DAYS[1], 0, "a" * 64, 1, 6)]}, DAYS[1])
    assert partitions_to_settle(STAGE, store, [DAYS[1]]) == [DAYS[2], DAYS[3]]


def test_building_again_changes_nothing(store: PartitionStore) -> None:
    land(store, {0: [Record(DAYS[0], 0, "a" * 64, 1, 5)]}, DAYS[0])
    assert [build(store, DAYS[0]), build(store, DAYS[0])] == [True, False]


def test_an_empty_day_of_a_source_makes_no_other_day_stale(store: PartitionStore) -> None:
    land(store, {0: [Record(DAYS[1], 0, "a" * 64, 1, 5)]}, DAYS[1])
    build(store, DAYS[1])
    land(store, {0: []}, DAYS[0])
    assert build(store, DAYS[1]) is False


def test_a_day_on_which_nothing_landed_is_an_empty_partition(store: PartitionStore) -> None:
    build(store, DAYS[0])
    assert (stored(store, DAYS[0]), stored(store, DAYS[0], rejects=True)) == ([], [])


def test_another_order_of_the_sources_is_another_configuration() -> None:
    assert UnitStage("sft_pairs", STAGE.conformed[::-1]).config_version != STAGE.config_version
