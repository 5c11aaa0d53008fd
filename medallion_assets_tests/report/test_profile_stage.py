"""Laws of silver/profile: counts balance, and a day's bytes depend on that day's partitions alone."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from medallion_assets.package.tokens.tokenizer import TokenizerSpec
from medallion_assets.report.profile_stage import ProfileStage
from medallion_assets.stage import partitions_to_settle
from medallion_assets.storage.manifest import Manifest
from medallion_assets.storage.store import Append
from medallion_assets_tests.package.chat import CHATML
from medallion_assets_tests.pipeline.sample import Site, alpaca
from medallion_assets_tests.pipeline.units_sample import (
    CONFIG,
    DAY_AFTER,
    DAYS,
    all_units_site,
    build_day,
    rows,
    table,
)

Row = dict[str, Any]
ALL_DAYS = (*DAYS, DAY_AFTER)
# Of the rejects, those that never got the unit's schema.
BEFORE_CONFORMED = ("extract", "conform", "derive")


def profile_of(site: Site) -> ProfileStage:
    bronze = {source.config.name: source.bronze.table for source in site.stages.sources}
    return ProfileStage(tuple(site.stages.units.values()), bronze, {"sft_pairs": TokenizerSpec(CHATML)})


def build(site: Site, day: str) -> bool:
    stage = profile_of(site)
    return site.store.overwrite(stage.table, day, stage.build(site.store, day)).changed


def build_before(site: Site, day: str) -> None:
    """All that a profile is made of."""
    for stage in takewhile(lambda each: each != site.stages.profile, site.stages.all()):
        made = stage.build(site.store, day)
        write = site.store.append if isinstance(made, Append) else site.store.overwrite
        write(stage.table, day, made)  # type: ignore[arg-type]


def manifests(site: Site) -> dict[str, Manifest | None]:
    return {day: site.store.manifest(profile_of(site).table, day) for day in ALL_DAYS}


@pytest.fixture(scope="module")
def profiled(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = all_units_site(tmp_path_factory.mktemp("profiled"))
    for day in ALL_DAYS:
        build_day(site, day)
    for day in ALL_DAYS:
        build(site, day)
    return site


@pytest.fixture(scope="module")
def profiles(profiled: Site) -> list[Row]:
    return [row for day in ALL_DAYS for row in rows(profiled, profile_of(profiled).table, day)]


def test_counts_balance(profiles: list[Row]) -> None:
    for row in profiles:
        before, after = (
            sum(each["count"] for each in row["rejected"] if (each["stage"] in BEFORE_CONFORMED) is early)
            for early in (True, False)
        )
        assert row["conformed"] == row["kept"] + after
        if row["landed"] is not None:
            assert row["landed"] == row["conformed"] + before
    assert any(row["landed"] is None for row in profiles)
    assert sum(each["count"] for row in profiles for each in row["rejected"]) > 10


def test_every_kept_record_is_described(profiled: Site, profiles: list[Row]) -> None:
    for unit in profiled.stages.units:
        kept = sum(len(rows(profiled, table(profiled, f"silver/{unit}"), day)) for day in DAYS)
        of_unit = [row for row in profiles if row["unit"] == unit]
        assert sum(row["kept"] for row in of_unit) == kept
        assert sum(step["count"] for row in of_unit for step in row["histogram"]) == kept
        assert sum(each["count"] for row in of_unit for each in row["languages"]) == kept
        assert {row["tokens"] is not None for row in of_unit if row["kept"]} == {unit == "sft_pairs"}


def test_a_day_has_a_row_for_each_source_that_had_records(profiles: list[Row]) -> None:
    found = {day: [row["source"] for row in profiles if str(row["landing_date"]) == day] for day in ALL_DAYS}
    assert found == {
        DAYS[0]: ["pairs", "prompts", "rollouts", "alpaca"],
        DAYS[1]: ["pairs", "rollout_preferences", "rollouts", "alpaca", "rollout_sft"],
        DAYS[2]: ["rollout_preferences", "prompts", "rollouts", "rollout_sft"],
        DAY_AFTER: ["rollout_preferences", "rollout_sft"],
    }


def test_what_is_derived_never_landed(profiles: list[Row]) -> None:
    assert {row["source"] for row in profiles if row["landed"] is None} == {
        "rollout_preferences",
        "rollout_sft",
    }


def test_building_again_changes_nothing(profiled: Site) -> None:
    before = manifests(profiled)
    assert [build(profiled, day) for day in ALL_DAYS] == [False] * len(ALL_DAYS)
    assert manifests(profiled) == before


def test_another_order_of_days_gives_the_same_bytes(profiled: Site, tmp_path: Path) -> None:
    site = all_units_site(tmp_path)
    stage = profile_of(site)
    for day in (DAYS[2], DAYS[0], DAY_AFTER, DAYS[1]):
        build_day(site, day)
        for stale in [day, *partitions_to_settle(stage, site.store, [day])]:
            build(site, stale)
    assert manifests(site) == manifests(profiled)


def test_a_landing_makes_the_profile_of_its_day_stale(tmp_path: Path) -> None:
    site = all_units_site(tmp_path)
    for day in DAYS:
        build_day(site, day)
        build(site, day)
    site.land(f"alpaca/{DAYS[0]}/late.jsonl", [alpaca("something new", "to tell")])
    build_before(site, DAYS[0])
    assert partitions_to_settle(profile_of(site), site.store, [DAYS[2]]) == [DAYS[0]]


def test_a_day_on_which_nothing_landed_is_an_empty_partition(tmp_path: Path) -> None:
    """Nor is it another one once there are tables, with nothing in them."""
    site = Site(tmp_path, CONFIG)
    assert build(site, DAYS[0])
    build_before(site, DAYS[0])
    assert (rows(site, profile_of(site).table, DAYS[0]), build(site, DAYS[0])) == ([], False)


def test_another_tokenizer_is_another_configuration(profiled: Site) -> None:
    stage = profile_of(profiled)
    other = ProfileStage(stage.units, stage.bronze, {})
    mine, others = (each.build(profiled.store, DAYS[0]).digests() for each in (stage, other))
    assert (mine.inputs, mine.code) == (others.inputs, others.code)
    assert mine.config != others.config
    assert stage.due(profiled.store) == {*ALL_DAYS}
