"""Laws of the policy-lag gate, against a model of it, and inside the unit stage."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.curate.policy import newest_versions, split_stale
from medallion_assets.curate.stage import UnitStage
from medallion_assets.stage import partitions_to_settle
from medallion_assets.storage.store import PartitionStore, Table
from medallion_assets.units import Rollout
from medallion_assets_tests.curate.fingerprinted import put
from medallion_assets_tests.curate.rollouts import (
    DAYS,
    ROLLOUTS,
    SCHEMA,
    build,
    landed,
    numbered,
    part,
    reasons,
    rollout,
    stored,
)

FEEDS = tuple(
    (name, Table("silver", f"{name}_conformed", SCHEMA, fingerprinted=True)) for name in ("first", "second")
)
STAGE = UnitStage("rl_rollouts", FEEDS, max_policy_lag=2)
drawn = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), max_size=12)


def sample(number: int, *, run: str = "run", version: int = 1, step: int = 1) -> Rollout:
    return rollout(number, 1.0, run=run, policy_version=version, step=step)


@given(drawn, st.integers(0, 4))
@settings(max_examples=60)
def test_exactly_the_rollouts_within_the_lag_of_their_own_run_stay(
    samples: list[tuple[str, int]], lag: int
) -> None:
    rows = numbered([sample(n, run=run, version=version) for n, (run, version) in enumerate(samples)])
    newest = {run: max(version for other, version in samples if other == run) for run, _ in samples}
    kept, lost = split_stale(SCHEMA.table(rows), newest, lag)
    fresh = [newest[row["run"]] - row["policy_version"] <= lag for row in rows]
    assert kept == SCHEMA.table([row for row, is_fresh in zip(rows, fresh, strict=True) if is_fresh])
    stale = [row["record_number"] for row, is_fresh in zip(rows, fresh, strict=True) if not is_fresh]
    assert lost.column("record_number").to_pylist() == stale


@given(drawn, st.randoms(use_true_random=False))
@settings(max_examples=20)
def test_the_newest_version_does_not_depend_on_the_files(
    samples: list[tuple[str, int]], order: object
) -> None:
    rows = numbered([sample(n, run=run, version=version) for n, (run, version) in enumerate(samples)])
    order.shuffle(rows)  # type: ignore[attr-defined]
    with TemporaryDirectory() as folder:
        files = [part(Path(folder), rows[start::3]) for start in range(3)]
        found = newest_versions(files, scratch=Path(folder))
    assert found == {run: max(v for other, v in samples if other == run) for run, _ in samples}


def test_without_files_there_are_no_versions(tmp_path: Path) -> None:
    assert newest_versions([], scratch=tmp_path) == {}


def test_a_reject_tells_the_lag_and_the_run(tmp_path: Path) -> None:
    row = landed(sample(3, run="it's", version=1), 7)
    _, rejects = split_stale(SCHEMA.table([row]), {"it's": 9}, 2)
    shown = ("source", "landing_date", "export_sha256", "record_number", "line", "record_id")
    [reject] = rejects.to_pylist()
    assert {name: value for name, value in reject.items() if value is not None} == {
        **{name: row[name] for name in shown},
        "stage": "policy",
        "reason": "stale_policy",
        "detail": '8 versions behind the newest of run "it\'s"; max_policy_lag is 2',
    }


def test_the_newest_version_counts_across_feeds_and_days_but_not_from_later_ones(tmp_path: Path) -> None:
    store = PartitionStore(tmp_path)
    put(store, FEEDS[0][1], DAYS[0], numbered([sample(1, version=1), sample(2, version=4)]))
    put(store, FEEDS[1][1], DAYS[1], numbered([sample(3, version=5, step=2)], DAYS[1]))
    put(
        store,
        FEEDS[0][1],
        DAYS[1],
        numbered([sample(4, version=2, step=2), sample(5, version=3, step=2)], DAYS[1]),
    )
    assert all(build(store, STAGE, day) for day in DAYS[:2])
    assert [reasons(store, ROLLOUTS, day) for day in DAYS[:2]] == [{1: "stale_policy"}, {1: "stale_policy"}]
    assert [row["policy_version"] for row in stored(store, ROLLOUTS, DAYS[1])] == [3, 5]


def test_a_run_does_not_forget_the_versions_of_earlier_days(tmp_path: Path) -> None:
    store = PartitionStore(tmp_path)
    put(store, FEEDS[0][1], DAYS[0], numbered([sample(1, version=9)]))
    put(
        store,
        FEEDS[1][1],
        DAYS[2],
        numbered([sample(2, version=6, step=2), sample(3, version=7, step=2)], DAYS[2]),
    )
    build(store, STAGE, DAYS[2])
    assert reasons(store, ROLLOUTS, DAYS[2]) == {1: "stale_policy"}


def test_without_a_lag_no_rollout_is_stale(tmp_path: Path) -> None:
    store = PartitionStore(tmp_path)
    put(store, FEEDS[0][1], DAYS[0], numbered([sample(1, version=1), sample(2, version=900)]))
    build(store, UnitStage("rl_rollouts", FEEDS), DAYS[0])
    assert len(stored(store, ROLLOUTS, DAYS[0])) == 2


def test_a_step_that_is_run_again_is_known_by_run_step_and_sample(tmp_path: Path) -> None:
    store = PartitionStore(tmp_path)
    first, again = rollout(0, 1.0, answer="first"), rollout(0, 0.0, answer="second thought")
    elsewhere = [rollout(0, 1.0, answer="first", **other) for other in ({"run": "b"}, {"step": 2})]
    put(store, FEEDS[0][1], DAYS[0], numbered([first]))
    put(store, FEEDS[1][1], DAYS[1], numbered([again, first, *elsewhere], DAYS[1]))
    assert all(build(store, STAGE, day) for day in DAYS[:2])
    assert reasons(store, ROLLOUTS, DAYS[1]) == {1: "repeated_rollout", 2: "exact_duplicate"}
    [repeated, equal] = stored(store, ROLLOUTS, DAYS[1], rejects=True)
    twin = first.as_row()["record_id"]
    assert {name: repeated[name] for name in ("detail", "twin_record_id", "similarity")} == {
        "detail": "the same run, step and sample as a record of first landed on 2024-09-01",
        "twin_record_id": twin,
        "similarity": None,
    }
    assert (equal["twin_record_id"], equal["similarity"]) == (twin, 1.0)
    assert [row["rollout_key"] for row in stored(store, ROLLOUTS, DAYS[1])] == [
        record.as_row()["rollout_key"] for record in elsewhere
    ]


def test_two_rows_that_name_one_place_are_still_two_rows(tmp_path: Path) -> None:
    """An export that two feeds delivered leads to derived records that name the same export and record."""
    store = PartitionStore(tmp_path)
    twice = [landed(rollout(n, 1.0, run=run), 1, source="rollout_sft") for n, run in ((1, "a"), (2, "b"))]
    again = landed(rollout(1, 1.0, run="a"), 1, source="rollout_sft")
    put(store, FEEDS[0][1], DAYS[0], [*twice, again])
    build(store, STAGE, DAYS[0])
    assert [row["run"] for row in stored(store, ROLLOUTS, DAYS[0])] == ["a", "b"]
    assert [row["reason"] for row in stored(store, ROLLOUTS, DAYS[0], rejects=True)] == ["exact_duplicate"]


def history(day: str) -> list[Rollout]:
    """Days of one run, of four steps each; a day runs the last two steps of the day before again."""
    start = DAYS.index(day) * 2
    return [
        rollout(n, float(n), answer=f"{day} {n}", step=step, policy_version=step)
        for step in range(start, start + 4)
        for n in (0, 1)
    ]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    store = PartitionStore(tmp_path_factory.mktemp("ascending"))
    for day in DAYS[:3]:
        put(store, FEEDS[0][1], day, numbered(history(day), day))
    for day in DAYS[:3]:
        build(store, STAGE, day)
    found = [reason for day in DAYS[:3] for reason in reasons(store, ROLLOUTS, day).values()]
    assert set(found) == {"repeated_rollout", "stale_policy"}
    return {day: store.manifest(ROLLOUTS, day) for day in DAYS[:3]}


@pytest.mark.parametrize("order", list(permutations(DAYS[:3])))
def test_days_that_land_in_any_order_end_in_the_same_bytes(
    order: tuple[str, ...], reference: dict[str, object], tmp_path: Path
) -> None:
    store = PartitionStore(tmp_path)
    for day in order:
        put(store, FEEDS[0][1], day, numbered(history(day), day))
        for stale in [day, *partitions_to_settle(STAGE, store, [day])]:
            build(store, STAGE, stale)
    assert {day: store.manifest(ROLLOUTS, day) for day in DAYS[:3]} == reference


def test_another_lag_is_another_configuration() -> None:
    lags = (None, 0, 1)
    assert len({UnitStage("rl_rollouts", FEEDS, lag).config_version for lag in lags}) == len(lags)
