"""Any selection of the graph, in any order and grouping, ends in the bytes of one range run."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg
import pytest

from medallion_assets_tests.pipeline.sample import Site
from medallion_assets_tests.pipeline.units_sample import DAY_AFTER, DAYS, all_units_site, swept
from medallion_assets_tests.pipeline.works import outdated_days

ALL_DAYS = (*DAYS, DAY_AFTER)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    site = all_units_site(tmp_path_factory.mktemp("reference"))
    with dg.DagsterInstance.ephemeral() as instance:
        assert site.run(ALL_DAYS[0], ALL_DAYS[-1], instance=instance).success
    return swept(site)


@pytest.mark.parametrize("seed", [1])
def test_one_part_of_the_graph_after_another_in_any_order_of_days(
    seed: int, reference: dict[str, str], tmp_path: Path
) -> None:
    chance = random.Random(seed)
    site = all_units_site(tmp_path)
    with dg.DagsterInstance.ephemeral() as instance:
        for assets in split(assets_of(site), chance, pieces=3):
            for days in shuffled_ranges(chance):
                assert run(site, assets, days, instance).success
    assert swept(site) == reference


@pytest.mark.parametrize("seed", [1])
def test_any_selections_in_any_order_and_what_settles_every_night(
    seed: int, reference: dict[str, str], tmp_path: Path
) -> None:
    chance = random.Random(seed)
    site = all_units_site(tmp_path)
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(4):
            assets = chance.sample(assets_of(site), k=chance.randint(1, 8))
            run(
                site, assets, chance.choice([*shuffled_ranges(chance)]), instance
            )  # gold without silver fails
        outdated = sorted(day.isoformat() for day in outdated_days(site.stages, site.store))
        assert run(site, assets_of(site), [outdated[0], outdated[-1]], instance).success
        assert run(site, assets_of(site), [ALL_DAYS[0], ALL_DAYS[-1]], instance).success
    assert swept(site) == reference


def assets_of(site: Site) -> list[dg.AssetKey]:
    """In the order in which data flows."""
    return [dg.AssetKey(stage.asset_path) for stage in site.stages.all()]


def split(assets: list[dg.AssetKey], chance: random.Random, *, pieces: int) -> Iterator[list[dg.AssetKey]]:
    cuts = sorted(chance.sample(range(1, len(assets)), k=pieces - 1))
    for first, last in zip([0, *cuts], [*cuts, len(assets)], strict=True):
        yield assets[first:last]


def shuffled_ranges(chance: random.Random) -> list[Sequence[str]]:
    """The days in two or three ranges, which come in any order."""
    cuts = sorted(chance.sample(range(1, len(ALL_DAYS)), k=chance.randint(1, 2)))
    ranges = [ALL_DAYS[first:last] for first, last in zip([0, *cuts], [*cuts, len(ALL_DAYS)], strict=True)]
    return chance.sample(ranges, k=len(ranges))


def run(
    site: Site, assets: Sequence[dg.AssetKey], days: Sequence[str], instance: dg.DagsterInstance
) -> dg.ExecuteInProcessResult:
    ends = {"dagster/asset_partition_range_start": days[0], "dagster/asset_partition_range_end": days[-1]}
    tags = ends if len(days) > 1 else {"dagster/partition": days[0]}
    job = site.defs.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        asset_selection=list(assets), tags=tags, instance=instance, raise_on_error=False
    )
