"""The promises for all four units together: any order ends in the same bytes, and settling ends."""

from __future__ import annotations

import random
from itertools import permutations
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from medallion_assets.automation.findings import DISK_ROOM, UP_TO_DATE
from medallion_assets.storage.store import Append
from medallion_assets_tests.pipeline.sample import Site
from medallion_assets_tests.pipeline.units_sample import (
    CONFIG,
    DAY_AFTER,
    DAYS,
    LANDINGS,
    all_units_site,
    build_day,
    land_all_units,
    rows,
    swept,
    table,
)
from medallion_assets_tests.pipeline.works import outdated_days

ALL_DAYS = (*DAYS, DAY_AFTER)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The three days and the one after in one range run, through Dagster, with every check passed."""
    site = all_units_site(tmp_path_factory.mktemp("reference"))
    with dg.DagsterInstance.ephemeral() as instance:
        result = site.run(DAYS[0], DAY_AFTER, instance=instance)
    found = {
        (check.asset_key.to_user_string(), check.check_name): check.passed
        for check in result.get_asset_check_evaluations()
        if check.check_name not in (DISK_ROOM, UP_TO_DATE)
    }
    assert len(found) == 42
    assert [check for check, passed in found.items() if not passed] == [
        ("silver/pairs_conformed", "reject_rate")
    ]
    return site


@pytest.mark.parametrize("order", list(permutations(DAYS)))
def test_single_days_in_any_order_give_the_bytes_of_one_range(
    order: tuple[str, ...], reference: Site, tmp_path: Path
) -> None:
    site = all_units_site(tmp_path)
    for day in (*order, DAY_AFTER):
        build_day(site, day)
    assert swept(site) == reference.fingerprint()


def test_a_run_of_the_day_of_a_late_landing_settles_all_that_follows(reference: Site, tmp_path: Path) -> None:
    site = Site(tmp_path, CONFIG)
    late = [f"rollouts/{DAYS[0]}/run/2.jsonl", f"prompts/{DAYS[0]}/q.jsonl"]
    landings = {name: lines for day in DAYS for name, lines in LANDINGS[day].items()}
    for name in sorted(landings.keys() - set(late)):
        site.land(name, landings[name])
    for day in ALL_DAYS:
        build_day(site, day)
    for name in late:
        site.land(name, landings[name])
    with dg.DagsterInstance.ephemeral() as instance:
        assert site.run(DAYS[0], instance=instance).success
    assert swept(site) == reference.fingerprint()


@pytest.mark.parametrize("seed", range(2))
def test_what_feeds_leave_undone_one_pass_settles_and_the_next_finds_nothing(
    seed: int, reference: Site, tmp_path: Path
) -> None:
    """Exports land in any order; each takes the way of its own job only, as the sensors have it."""
    site = Site(tmp_path, CONFIG)
    landings = [(day, name) for day in DAYS for name in LANDINGS[day]]
    random.Random(seed).shuffle(landings)
    for day, name in landings:
        site.land(name, LANDINGS[day][name])
        feed = next(
            b for b in site.stages.bronze() if name.startswith(str(b.landing.relative_to(site.roots.landing)))
        )
        for stage in site.stages.fed_by(feed):
            made = stage.build(site.store, day)
            write = site.store.append if isinstance(made, Append) else site.store.overwrite
            write(stage.table, day, made)  # type: ignore[arg-type]
    outdated = sorted(outdated_days(site.stages, site.store))
    assert str(outdated[-1]) == DAY_AFTER
    for settled in outdated:
        build_day(site, str(settled))
    settled_bytes = swept(site)
    assert outdated_days(site.stages, site.store) == set()
    assert [changed for day in outdated for changed in build_day(site, str(day))] == []
    assert swept(site) == settled_bytes
    for stage in site.stages.all():
        for day in ALL_DAYS:
            made, expected = (each.store.manifest(stage.table, day) for each in (site, reference))
            assert expected is not None
            if made is None:
                assert (expected.rows, expected.rejected_rows) == (0, 0)
            elif stage not in [
                each.bronze for each in site.stages.eval_sets
            ]:  # these remember who came first
                assert made == expected


def test_every_landed_record_is_alive_in_its_unit_or_rejected_once(reference: Site) -> None:
    def places(name: str, *, rejects: bool = False) -> list[tuple[str, str, int]]:
        found = [
            row for day in ALL_DAYS for row in rows(reference, table(reference, name), day, rejects=rejects)
        ]
        return [(row["source"], row["export_sha256"], row["record_number"]) for row in found]

    for source in reference.stages.sources:
        name, unit = source.config.name, f"silver/{source.config.unit}"
        landed = places(f"bronze/{name}")
        ended = [
            *places(unit),
            *places(unit, rejects=True),
            *places(f"silver/{name}_conformed", rejects=True),
        ]
        assert sorted(place for place in ended if place[0] == name) == sorted(landed)
        assert landed


def test_rejects_are_those_that_the_exports_were_made_for(reference: Site) -> None:
    def rejected(name: str) -> dict[str, dict[str, int]]:
        manifests = {day: reference.store.manifest(table(reference, name), day) for day in ALL_DAYS}
        found = {day: manifest.summary.get("rejected") for day, manifest in manifests.items() if manifest}
        return {day: dict(reasons) for day, reasons in found.items() if reasons}

    one, two, three = DAYS
    expected: dict[str, dict[str, dict[str, int]]] = {
        "silver/pairs_conformed": {one: {"invalid_json": 1, "identical_answers": 1}},
        "silver/rollouts_conformed": {one: {"unverifiable": 1}},
        "silver/eval_quiz": {
            one: {"missing_field": 1},
            **{day: {"no_items": 1} for day in (three, DAY_AFTER)},
        },
        "silver/rl_rollouts": {
            two: {"exact_duplicate": 4, "repeated_rollout": 2},
            three: {"stale_policy": 9},
        },
        "silver/rollout_preferences_conformed": {two: {"empty_output": 1}},
        "silver/rollout_sft_conformed": {two: {"empty_output": 1}},
        "silver/rl_curriculum": {
            day: {"always_solved": 1, "never_solved": 1} for day in (two, three, DAY_AFTER)
        },
    }
    assert {name: rejected(name) for name in expected} == expected


def test_rewards_say_who_gave_them(reference: Site) -> None:
    found = [row for day in DAYS for row in rows(reference, table(reference, "silver/rl_rollouts"), day)]
    for row in found:
        if row["run"] == "logged":
            assert (row["reward"], row["reward_origin"]) == (row["logged_reward"], "logged")
        else:
            solved = row["completion"] == "#### 1"
            assert (row["reward"], row["reward_origin"]) == (float(solved), "verifier:gsm8k")
    assert len({row["run"] for row in found}) == 2


def test_what_people_delivered_outlives_the_same_record_made_of_rollouts(reference: Site) -> None:
    unit = table(reference, "silver/preference_triples")
    [alive] = rows(reference, unit, DAYS[1])
    derived = [row for row in rows(reference, unit, DAYS[1], rejects=True) if row["source"] != "pairs"]
    assert (alive["source"], alive["chosen"][0]["content"]) == ("pairs", "#### 1")
    assert {(row["twin_record_id"], row["twin_source"]) for row in derived} == {(alive["record_id"], "pairs")}


def test_pass_rates_count_the_rollouts_of_earlier_days(reference: Site) -> None:
    curriculum = table(reference, "silver/rl_curriculum")
    found = {
        day: {
            row["prompt"][0]["content"]: (row["attempts"], row["solved"])
            for row in rows(reference, curriculum, day)
        }
        for day in ALL_DAYS
    }
    assert found == {
        DAYS[0]: {"one of": (0, 0), "always": (0, 0), "never": (0, 0)},
        DAYS[1]: {"one of": (6, 2)},
        DAYS[2]: {"one of": (8, 3), "fresh": (0, 0)},
        DAY_AFTER: {"one of": (15, 8), "fresh": (0, 0)},
    }


def test_a_day_asks_dagster_for_no_other_day(reference: Site) -> None:
    """Else a backfill of one day would be one of all days since: the run itself settles later ones."""
    graph: Any = reference.defs.resolve_asset_graph()
    for child in graph.materializable_asset_keys:
        days = graph.get(child).partitions_def
        asked = days.subset_with_partition_keys([DAYS[2]])
        for parent in graph.get(child).parent_keys:
            mapping = graph.get_partition_mapping(child, parent)
            found = mapping.get_upstream_mapped_partitions_result_for_partitions(asked, days, days)
            assert list(found.partitions_subset.get_partition_keys()) == [DAYS[2]]


def test_an_export_goes_all_the_way_into_the_recipes_of_its_unit() -> None:
    site = Site(Path("nowhere"), CONFIG)
    reached = {
        bronze.source: {stage.asset_path[1] for stage in site.stages.fed_by(bronze)} & {*site.stages.recipes}
        for bronze in site.stages.bronze()
    }
    assert reached == {
        "alpaca": {"packed"},
        "pairs": {"dpo"},
        "prompts": {"grpo", "rated"},
        "rollouts": {"replay"},
        "eval_quiz": {"packed", "dpo", "grpo", "rated", "replay"},
    }


def test_stages_come_after_all_that_they_read() -> None:
    """So does the graph of assets, which has an edge for each input."""
    site = Site(Path("nowhere"), CONFIG)
    graph: Any = site.defs.resolve_asset_graph()
    seen: set[str] = set()
    for stage in site.stages.all():
        inputs = {each.full_name for each in stage.inputs}
        assert inputs <= seen
        parents = graph.get(dg.AssetKey(stage.asset_path)).parent_keys
        assert {key.to_user_string() for key in parents} == inputs
        seen.add("/".join(stage.asset_path))
    assert {key.to_user_string() for key in graph.materializable_asset_keys} == seen


def test_without_any_use_of_rollouts_nothing_is_derived(tmp_path: Path) -> None:
    unrated = [recipe for recipe in CONFIG.recipes if recipe.unit != "rl_curriculum"]
    plain = CONFIG.model_copy(update={"rollouts": type(CONFIG.rollouts)(), "recipes": unrated})
    site = Site(tmp_path, plain)
    land_all_units(site, DAYS[:1])
    build_day(site, DAYS[0])
    assert (site.stages.derived, site.stages.curriculum) == ((), None)
    assert sorted(site.stages.units) == ["preference_triples", "rl_prompts", "rl_rollouts", "sft_pairs"]
    assert outdated_days(site.stages, site.store) == set()
