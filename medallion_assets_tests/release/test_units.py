"""Laws of releases of all units: each record of each export is told, and a curriculum is taken once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from medallion_assets.release.diff import diff
from medallion_assets.release.manifest import Release, ledger_of
from medallion_assets.report.release import figures_of
from medallion_assets_tests.pipeline import units_sample
from medallion_assets_tests.pipeline.sample import TOKENIZER
from medallion_assets_tests.pipeline.units_sample import DAY_AFTER
from medallion_assets_tests.release.releases import DAYS, ReleaseSite, with_releases

IDLE_DAY = "2024-09-09"
UNITS = {
    "packed": "sft_pairs",
    "dpo": "preference_triples",
    "grpo": "rl_prompts",
    "rated": "rl_curriculum",
    "replay": "rl_rollouts",
}
FED_BY = {
    "sft_pairs": ["alpaca"],
    "preference_triples": ["pairs"],
    "rl_prompts": ["prompts"],
    "rl_curriculum": ["prompts"],
    "rl_rollouts": ["rollouts"],
}
PACKED = {
    "max_length": 64,
    "too_long": "split",
    "where": "len(messages) = 2",
    "holdout": 0.4,
    "mix": {"alpaca": 0.7, "rollout_sft": 2.5},
}
RECIPES = [
    {"name": name, "unit": unit, "tokenizer": TOKENIZER, **(PACKED if name == "packed" else {})}
    for name, unit in UNITS.items()
]
ALL = {"recipes": [*UNITS], "from": DAYS[0], "to": IDLE_DAY}
LATER = {"name": "v2", "recipes": ["rated", "grpo"], "from": DAYS[1], "to": IDLE_DAY}


def built(folder: Path, *, days: tuple[str, ...]) -> ReleaseSite:
    releases = ({"name": "v1", **ALL}, LATER, {"name": "early", **ALL, "to": DAYS[0]})
    site = ReleaseSite(folder, with_releases(*releases, base=units_sample.CONFIG, recipes=RECIPES))
    units_sample.land_all_units(site.site)
    return site.build(days)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> ReleaseSite:
    made = built(tmp_path_factory.mktemp("site"), days=(*DAYS, DAY_AFTER))
    for name in ("v1", "v2", "early"):
        made.cut(name)
    return made


def ledger(release: Release, recipe: str) -> list[dict[str, Any]]:
    return pq.ParquetFile(ledger_of(release.folder, recipe)).read().to_pylist()


@pytest.mark.parametrize("recipe", UNITS)
def test_every_record_that_landed_is_told_once(site: ReleaseSite, recipe: str) -> None:
    release = site.release()
    told = ledger(release, recipe)
    found = [(row["source"], row["export_sha256"], row["record_number"]) for row in told]
    landed = [
        (export.source, export.sha256, number)
        for export in release.manifest.exports
        if export.source in FED_BY[UNITS[recipe]]
        for number in range(1, export.rows + 1)
    ]
    assert sorted(place for place in found if not place[0].startswith("rollout_")) == sorted(landed)
    assert all((row["split"] is None) == (row["reason"] is not None) for row in told)


@pytest.mark.parametrize("recipe", UNITS)
def test_tokens_are_those_of_the_files(site: ReleaseSite, recipe: str) -> None:
    release = site.release()
    files = sum(file.tokens or 0 for file in release.manifest.data(recipe))
    found = figures_of(release.manifest, recipe, release.folder)
    assert files == sum(row["tokens"] or 0 for row in ledger(release, recipe)) > 0
    assert files == sum(each.tokens for each in found.sources)
    assert sum(records for _, records in found.lengths) == sum(each.held for each in found.sources)


def test_a_record_that_is_drawn_for_neither_side_of_a_hold_out_is_not_called_held_out(
    site: ReleaseSite,
) -> None:
    reasons = {row["reason"] for row in ledger(site.release(), "packed") if row["stage"] == "package"}
    assert reasons == {"not_sampled"}


def test_of_a_curriculum_the_newest_partition_is_released(site: ReleaseSite) -> None:
    """It holds all prompts up to its day: also those that landed before the release's own days."""
    for name, days in (("v1", {DAY_AFTER}), ("v2", {DAY_AFTER}), ("early", {DAYS[0]})):
        files = [*site.release(name).manifest.data("rated")]
        prompts = [id_ for file in files for id_ in _record_ids(site.release(name).path(file))]
        assert {file.partition for file in files} == days
        assert sorted(set(prompts)) == sorted(prompts)
    later = diff(site.release("v1"), site.release("v2"))
    assert [(each.recipe, each.came, each.went) for each in later.recipes if each.recipe == "rated"] == [
        ("rated", (), ())
    ]


def test_a_curriculum_counts_each_prompt_once(site: ReleaseSite) -> None:
    for name in ("v1", "v2"):
        release = site.release(name)
        [found] = figures_of(release.manifest, "rated", release.folder).sources
        assert (found.landed, found.conformed, found.held) == (5, 5, 2)


def test_days_on_which_nothing_came_leave_no_trace(site: ReleaseSite, tmp_path: Path) -> None:
    other = built(tmp_path, days=(IDLE_DAY, *reversed(DAYS), DAY_AFTER, "2024-09-06", IDLE_DAY))
    assert other.cut().id == site.release().id
    assert other.audit().passed


def test_in_which_order_exports_came_does_not_show(site: ReleaseSite, tmp_path: Path) -> None:
    other = ReleaseSite(tmp_path, site.config)
    for day in reversed(DAYS):
        for name, rows in reversed(units_sample.LANDINGS[day].items()):
            other.site.land(name, rows)
            other.build((day,))
    assert other.build((*DAYS, DAY_AFTER)).cut().id == site.release().id


def test_every_unit_comes_out_of_bronze_again(site: ReleaseSite) -> None:
    for name in ("v1", "v2", "early"):
        audit = site.audit(name)
        assert (audit.passed, audit.differences, audit.drifts) == (True, (), ())


def _record_ids(path: Path) -> list[str]:
    found: list[str] = pq.ParquetFile(path).read(["record_id"]).column(0).to_pylist()
    return found
