"""Laws of derived records: of the day before, past the gates of their unit, none lost, settled by reruns."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from medallion_assets.curate.derived import DerivedStage, day_after, day_before
from medallion_assets.curate.stage import UnitStage
from medallion_assets.stage import partitions_to_settle
from medallion_assets.storage.store import PartitionStore
from medallion_assets.units import Message, Rollout
from medallion_assets_tests.curate.fingerprinted import put
from medallion_assets_tests.curate.rollouts import (
    DAYS,
    ROLLOUTS,
    build,
    landed,
    numbered,
    rollout,
    stored,
)

PAIRS = DerivedStage(ROLLOUTS, "preference_triples", 0.5)
SAMPLES = DerivedStage(ROLLOUTS, "sft_pairs", 1.0)
ASKED = [rollout(0, 0.0), rollout(1, 1.0), rollout(2, 1.0, prompt="beg"), rollout(3, 0.5, prompt="beg")]


@pytest.fixture
def store(tmp_path: Path) -> PartitionStore:
    return PartitionStore(tmp_path)


@pytest.mark.parametrize(
    ("day", "next_day"),
    [("2024-02-28", "2024-02-29"), ("2023-12-31", "2024-01-01"), ("2024-09-01", "2024-09-02")],
)
def test_the_day_after_is_that_of_the_calendar(day: str, next_day: str) -> None:
    assert (day_after(day), day_before(next_day)) == (next_day, day)


@pytest.mark.parametrize("stage", [PAIRS, SAMPLES])
def test_rollouts_become_records_of_the_next_day_and_of_no_other(
    store: PartitionStore, stage: DerivedStage
) -> None:
    put(store, ROLLOUTS, DAYS[1], numbered(ASKED, DAYS[1]))
    assert stage.due(store) == {DAYS[2]}
    for day in DAYS:
        build(store, stage, day)
    assert [len(stored(store, stage.table, day)) for day in DAYS] == [0, 0, 2, 0]
    dates = {row["landing_date"] for row in stored(store, stage.table, DAYS[2])}
    assert dates == {date.fromisoformat(DAYS[2])}


def test_a_derived_row_names_its_best_rollout_and_itself_as_the_source(store: PartitionStore) -> None:
    put(store, ROLLOUTS, DAYS[0], numbered(ASKED[:2]))
    build(store, PAIRS, DAYS[1])
    [row] = stored(store, PAIRS.table, DAYS[1])
    best = landed(ASKED[1], 2)
    assert {name: row[name] for name in ("source", "export_sha256", "record_number", "line")} == {
        "source": "rollout_preferences",
        **{name: best[name] for name in ("export_sha256", "record_number", "line")},
    }


EMPTY = rollout(5, 1.0, answer=" \n")
UNASKED = replace(rollout(6, 1.0), prompt=[Message("system", "be brief")])


@pytest.mark.parametrize(
    ("stage", "records", "reason"),
    [
        (SAMPLES, [EMPTY], "empty_output"),
        (PAIRS, [EMPTY, rollout(4, 0.0)], "empty_output"),
        (PAIRS, [rollout(1, 1.0, answer="same"), rollout(2, 0.0, answer="same ")], "identical_answers"),
        (SAMPLES, [UNASKED], "missing_user_turn"),
        (SAMPLES, [rollout(1, 1.0, prompt="")], "empty_prompt"),
    ],
)
def test_what_does_not_pass_the_gates_of_the_unit_is_rejected_with_the_rollout_named(
    store: PartitionStore, stage: DerivedStage, records: list[Rollout], reason: str
) -> None:
    put(
        store,
        ROLLOUTS,
        DAYS[0],
        numbered([*records, rollout(9, 1.0, prompt="fine"), rollout(8, 0.0, prompt="fine")]),
    )
    build(store, stage, DAYS[1])
    [reject] = stored(store, stage.table, DAYS[1], rejects=True)
    best = landed(records[0], 1)["record_id"]
    assert (reject["stage"], reject["reason"], reject["record_id"]) == ("derive", reason, best)
    assert reject["detail"].startswith(f"the rollout {best}: ")
    assert len(stored(store, stage.table, DAYS[1])) == 1


@pytest.mark.parametrize("stage", [PAIRS, SAMPLES])
def test_every_harvested_group_is_a_row_or_a_reject(store: PartitionStore, stage: DerivedStage) -> None:
    """More groups than one batch, every third of them empty-handed."""
    records = [
        rollout(n, float(n % 2), prompt=f"ask {n // 2}", answer="" if n % 6 == 1 else f"{n}")
        for n in range(3000)
    ]
    put(store, ROLLOUTS, DAYS[0], numbered(records))
    build(store, stage, DAYS[1])
    alive, lost = (stored(store, stage.table, DAYS[1], rejects=rejects) for rejects in (False, True))
    assert (len(alive), len(lost)) == (1000, 500)
    assert sorted(row["record_number"] for row in alive + lost) == [*range(2, 3001, 2)]


def test_a_late_landing_of_rollouts_settles_the_next_day_alone(store: PartitionStore) -> None:
    for day in DAYS[:3]:
        put(store, ROLLOUTS, day, numbered(ASKED, day))
        build(store, PAIRS, day)
    put(store, ROLLOUTS, DAYS[0], numbered(ASKED[:2], DAYS[0]))
    assert partitions_to_settle(PAIRS, store, [DAYS[0]]) == [DAYS[1]]
    assert build(store, PAIRS, DAYS[1])
    assert partitions_to_settle(PAIRS, store, [DAYS[0]]) == []


def test_a_day_without_rollouts_is_as_good_as_an_empty_one(store: PartitionStore) -> None:
    assert build(store, PAIRS, DAYS[1])
    put(store, ROLLOUTS, DAYS[0], [])
    assert not build(store, PAIRS, DAYS[1])


def test_only_days_with_rollouts_ask_for_a_day_after(store: PartitionStore) -> None:
    put(store, ROLLOUTS, DAYS[0], numbered(ASKED))
    put(store, ROLLOUTS, DAYS[2], [])
    assert PAIRS.due(store) == {DAYS[1]}


def test_a_day_whose_rollouts_are_gone_is_still_asked_for(store: PartitionStore) -> None:
    put(store, ROLLOUTS, DAYS[0], numbered(ASKED))
    build(store, PAIRS, DAYS[1])
    put(store, ROLLOUTS, DAYS[0], [])
    assert PAIRS.due(store) == {DAYS[1]}
    assert build(store, PAIRS, DAYS[1])
    assert stored(store, PAIRS.table, DAYS[1]) == []


def test_another_least_reward_is_another_configuration() -> None:
    assert len({DerivedStage(ROLLOUTS, "sft_pairs", least).config_version for least in (0.0, 0.5, 1.0)}) == 3


def test_one_export_of_two_feeds_loses_no_derived_record(store: PartitionStore) -> None:
    """Both feeds' best rollouts name the same export and record; one of their answers landed before."""
    twice = [landed(rollout(1, 1.0, run=run, prompt=f"ask of {run}"), 1) for run in ("first", "second")]
    put(store, ROLLOUTS, DAYS[0], [twice[0]])
    put(store, ROLLOUTS, DAYS[1], twice)
    unit = UnitStage("sft_pairs", ((SAMPLES.source, SAMPLES.table),))
    for day in DAYS[:3]:
        build(store, SAMPLES, day)
        build(store, unit, day)
    texts = [row["messages"][0]["content"] for day in DAYS[:3] for row in stored(store, unit.table, day)]
    assert texts == ["ask of first", "ask of second"]
    assert len(stored(store, unit.table, DAYS[2], rejects=True)) == 1
