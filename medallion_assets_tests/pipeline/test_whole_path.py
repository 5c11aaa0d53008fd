"""The promises, through Dagster: order does not matter, reruns change nothing, nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import permutations
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.parquet as pq
import pytest

from medallion_assets.storage.store import Table
from medallion_assets_tests.pipeline.sample import Site, alpaca, land_three_days

DAYS = ("2024-09-01", "2024-09-02", "2024-09-03")


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The three days in one range run."""
    site = Site(tmp_path_factory.mktemp("reference"))
    land_three_days(site)
    with dg.DagsterInstance.ephemeral() as instance:
        assert site.run(DAYS[0], DAYS[-1], instance=instance).success
    return site


@pytest.mark.parametrize("order", list(permutations(DAYS)))
def test_single_days_in_any_order_give_the_bytes_of_one_range(
    order: tuple[str, ...], reference: Site, tmp_path: Path
) -> None:
    site = Site(tmp_path)
    land_three_days(site)
    with dg.DagsterInstance.ephemeral() as instance:
        assert all(site.run(day, instance=instance).success for day in order)
        for stage in site.stages.all():
            site.store.sweep(stage.table, grace_seconds=0)
    assert site.fingerprint() == reference.fingerprint()


def test_a_late_landing_settles_the_later_days_in_its_own_run(tmp_path: Path) -> None:
    late, punctual = Site(tmp_path / "late"), Site(tmp_path / "punctual")
    with dg.DagsterInstance.ephemeral() as instance:
        for site in (late, punctual):
            site.land("alpaca/2024-09-02/a.jsonl", [alpaca("ask", "answer"), alpaca("other", "words")])
        late.run(DAYS[1], instance=instance)
        for site in (late, punctual):
            site.land("alpaca/2024-09-01/late.jsonl", [alpaca("ask", "answer")])
        late.run(DAYS[0], instance=instance)
        punctual.run(DAYS[0], DAYS[1], instance=instance)
    table = late.stages.units["sft_pairs"].table
    manifests = [site.store.manifest(table, DAYS[1]) for site in (late, punctual)]
    assert manifests[0] == manifests[1]
    assert manifests[0] is not None
    assert manifests[0].rows == 1


def test_running_everything_again_changes_no_byte_and_builds_nothing(reference: Site) -> None:
    before = reference.fingerprint()
    with dg.DagsterInstance.ephemeral() as instance:
        result = reference.run(DAYS[0], DAYS[-1], instance=instance)
        changed = [
            event.materialization.metadata["changed"].value
            for event in result.all_events
            if event.is_step_materialization and isinstance(event.materialization, dg.AssetMaterialization)
        ]
    assert reference.fingerprint() == before
    assert set(changed) == {False}
    assert len(changed) == len(DAYS) * 8  # by source bronze and conformed; unit, two recipes, profile


def test_every_bronze_record_is_in_silver_or_in_the_rejects_once(reference: Site) -> None:
    stages = reference.stages
    landed = [row for s in stages.sources for day in DAYS for row in rows_of(reference, s.bronze.table, day)]
    unit = stages.units["sft_pairs"].table
    alive = [row for day in DAYS for row in rows_of(reference, unit, day)]
    fallen = [row for day in DAYS for row in rows_of(reference, unit, day, rejects=True)]
    for source in stages.sources:
        fallen += [
            row for day in DAYS for row in rows_of(reference, source.conformed.table, day, rejects=True)
        ]
    assert sorted(alive + fallen) == sorted(landed)
    assert len(landed) == 30 + 3 + 3 + 25 + 2 + 1  # the file delivered twice counts once


def test_every_silver_record_is_in_one_bin_or_in_the_rejects(reference: Site) -> None:
    for recipe in reference.stages.recipes.values():
        for day in DAYS:
            silver = column(reference, recipe.silver, day, "record_id")
            packed = [i for bin_ in column(reference, recipe.table, day, "record_ids") for i in bin_]
            rejected = column(reference, recipe.table, day, "record_id", rejects=True)
            assert sorted(packed + rejected) == sorted(silver)


def test_a_recipes_rules_are_part_of_where_its_table_lies(reference: Site) -> None:
    recipes = reference.stages.recipes
    versions = {
        name: [path.name for path in (reference.roots.data / "gold" / name).glob("v=*")] for name in recipes
    }
    assert versions == {name: [f"v={recipe.table.version}"] for name, recipe in recipes.items()}
    assert recipes["packed"].table.version != recipes["plain"].table.version


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONHASHSEED": "1", "TZ": "Asia/Kathmandu", "RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        {"PYTHONHASHSEED": "77", "TZ": "America/St_Johns", "LC_ALL": "C", "TOKENIZERS_PARALLELISM": "false"},
    ],
)
def test_hash_seed_time_zone_and_threads_change_no_byte(
    environment: dict[str, str], reference: Site, tmp_path: Path
) -> None:
    script = (
        "import sys, pathlib, dagster as dg\n"
        "from medallion_assets_tests.pipeline.sample import Site, land_three_days\n"
        "site = Site(pathlib.Path(sys.argv[1])); land_three_days(site)\n"
        "with dg.DagsterInstance.ephemeral() as instance:\n"
        f"    site.run({DAYS[0]!r}, {DAYS[-1]!r}, instance=instance)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    subprocess.run(command, env={**os.environ, **environment}, check=True, capture_output=True)
    assert Site(tmp_path).fingerprint() == reference.fingerprint()


def rows_of(site: Site, table: Table, day: str, *, rejects: bool = False) -> list[tuple[str, int]]:
    exports = column(site, table, day, "export_sha256", rejects=rejects)
    return list(zip(exports, column(site, table, day, "record_number", rejects=rejects), strict=True))


def column(site: Site, table: Table, day: str, name: str, *, rejects: bool = False) -> list[Any]:
    paths = site.store.paths(table, day, rejects=rejects)
    return [value for path in paths for value in pq.read_table(path, columns=[name]).column(0).to_pylist()]
