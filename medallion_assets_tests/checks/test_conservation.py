"""Laws of conservation: a sound store balances, and no row can go, come twice or change its day unseen."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medallion_assets.checks import conservation, copies
from medallion_assets.checks.conservation import Balance, Passage, balance, balance_of
from medallion_assets.storage.store import Build, PartitionStore
from medallion_assets_tests.checks.tampering import stage_of, tampered
from medallion_assets_tests.pipeline.sample import Site
from medallion_assets_tests.pipeline.units_sample import DAY_AFTER, DAYS, all_units_site, build_day, rows

SOUND = Balance(0, 0, ())
TABLES = {
    "silver/alpaca_conformed": DAYS[0],
    "silver/rollouts_conformed": DAYS[1],
    "silver/sft_pairs": DAYS[1],
    "silver/rl_rollouts": DAYS[2],
    "silver/preference_triples": DAYS[1],
    "silver/rl_prompts": DAYS[0],
    "silver/rl_curriculum": DAYS[2],
    "gold/packed": DAYS[0],
    "gold/dpo": DAYS[1],
    "gold/grpo": DAYS[0],
    "gold/rated": DAYS[2],
    "gold/replay": DAYS[2],
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = all_units_site(tmp_path_factory.mktemp("sound"))
    for day in (*DAYS, DAY_AFTER):
        build_day(site, day)
    return site


@pytest.fixture
def store(sound: Site, tmp_path: Path) -> PartitionStore:
    """A copy to spoil."""
    shutil.copytree(sound.roots.data, tmp_path / "data")
    return PartitionStore(tmp_path / "data")


def checked(site: Site, store: PartitionStore, name: str, day: str) -> Balance:
    found = balance_of(stage_of(site, name), store, day)
    assert found is not None
    return found


@pytest.mark.parametrize("name", TABLES)
def test_every_day_of_a_sound_store_balances(name: str, sound: Site) -> None:
    days = sound.store.keys(stage_of(sound, name).table)
    assert [checked(sound, sound.store, name, day) for day in days] == [SOUND] * 4


def test_what_adds_or_summarizes_records_has_nothing_to_balance(sound: Site) -> None:
    for name in ("bronze/alpaca", "silver/eval_quiz", "silver/rollout_sft_conformed"):
        assert balance_of(stage_of(sound, name), sound.store, DAYS[1]) is None


@pytest.mark.parametrize(
    ("tamper", "lost", "surplus"),
    [(lambda rows: rows[1:], 1, 0), (lambda rows: [*rows, rows[0]], 0, 1), (lambda rows: [], None, 0)],
    ids=["removed", "doubled", "emptied"],
)
@pytest.mark.parametrize("name", TABLES)
def test_a_row_that_goes_or_comes_twice_is_counted_and_named(
    name: str,
    tamper: Callable[[list[Any]], list[Any]],
    lost: int | None,
    surplus: int,
    sound: Site,
    store: PartitionStore,
) -> None:
    day, table = TABLES[name], stage_of(sound, name).table
    held = rows(sound, table, day)
    documents = len(held[0].get("record_ids", [1]))
    everything = sum(len(row.get("record_ids", [1])) for row in held)
    tampered(stage_of(sound, name), store, day, rows=tamper)
    found = checked(sound, store, name, day)
    expected_lost = everything if lost is None else lost * documents
    assert (found.lost, found.surplus) == (expected_lost, surplus * documents)
    assert len(found.examples) == min(5, found.lost + found.surplus)


@pytest.mark.parametrize("name", ["silver/rollouts_conformed", "silver/rl_rollouts"])
def test_rejects_count_like_rows(name: str, sound: Site, store: PartitionStore) -> None:
    day = DAYS[0] if name.endswith("conformed") else DAYS[2]
    stage = stage_of(sound, name)
    count = len(rows(sound, stage.table, day, rejects=True))
    tampered(stage, store, day, rejects=lambda rejects: [])
    assert checked(sound, store, name, day).lost == count


@pytest.mark.parametrize("name", ["silver/rollouts_conformed", "silver/rl_rollouts", "silver/sft_pairs"])
def test_rows_swapped_between_days_are_missed_on_both(name: str, sound: Site, store: PartitionStore) -> None:
    """The counts of both days stay as they are."""
    stage = stage_of(sound, name)
    first, second = (rows(sound, stage.table, day) for day in DAYS[:2])
    tampered(stage, store, DAYS[0], rows=lambda _: [second[0], *first[1:]])
    tampered(stage, store, DAYS[1], rows=lambda _: [first[0], *second[1:]])
    for day in DAYS[:2]:
        found = checked(sound, store, name, day)
        assert (found.lost, found.surplus) == (1, 1)


def test_a_row_that_replaces_another_is_a_loss_and_a_surplus(sound: Site, store: PartitionStore) -> None:
    tampered(stage_of(sound, "gold/packed"), store, DAYS[0], rows=renamed)
    found = checked(sound, store, "gold/packed", DAYS[0])
    assert (found.lost, found.surplus, "f" * 32 in found.examples) == (1, 1, True)


def renamed(bins: list[Any]) -> list[Any]:
    first = bins[0] | {"record_ids": ["f" * 32, *bins[0]["record_ids"][1:]]}
    return [first, *bins[1:]]


def test_rows_of_a_day_that_has_no_input_came_from_nowhere(sound: Site, store: PartitionStore) -> None:
    stage = stage_of(sound, "silver/rl_rollouts")
    stray = rows(sound, stage.table, DAYS[0])[:2]
    tampered(stage, store, "2024-09-09", rows=lambda _: stray)
    found = checked(sound, store, "silver/rl_rollouts", "2024-09-09")
    assert (found.lost, found.surplus) == (0, 2)


def test_what_another_run_has_added_to_the_inputs_is_not_lost(sound: Site, store: PartitionStore) -> None:
    """Two feeds of one unit run at once: one has conformed its day when the other checks the unit's."""
    conformed, unit = (stage_of(sound, name) for name in ("silver/alpaca_conformed", "silver/sft_pairs"))
    tampered(conformed, store, DAYS[0], rows=lambda rows: [*rows, rows[0] | {"record_number": 99}])
    assert balance_of(unit, store, DAYS[0]) is None
    made = unit.build(store, DAYS[0])
    assert isinstance(made, Build)
    assert store.overwrite(unit.table, DAYS[0], made).changed
    assert balance_of(unit, store, DAYS[0]) == SOUND


@pytest.mark.parametrize("name", TABLES)
def test_what_is_too_much_for_memory_is_compared_the_same(
    name: str, sound: Site, store: PartitionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    tampered(stage_of(sound, name), store, TABLES[name], rows=lambda rows: [*rows[1:], rows[-1]])
    found = checked(sound, store, name, TABLES[name])
    monkeypatch.setattr(conservation, "IN_MEMORY", 0)
    monkeypatch.setattr(copies, "COMPARED_AT_ONCE", 2)
    assert checked(sound, store, name, TABLES[name]) == found
    assert checked(sound, sound.store, name, TABLES[name]) == SOUND


def test_nothing_in_and_nothing_out_balances(tmp_path: Path) -> None:
    assert balance(Passage([], [], []), scratch=tmp_path) == SOUND
