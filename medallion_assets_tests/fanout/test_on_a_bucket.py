"""On a bucket, too, the stored bytes are the same wherever they are made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from medallion_assets.fanout import rows
from medallion_assets.fanout.partitions import Fanout
from medallion_assets.fanout.pool import Pool, end_idle
from medallion_assets.fanout.ray_tasks import RayTasks
from medallion_assets.storage.s3.together import together
from medallion_assets_tests.fanout.cluster import running_cluster
from medallion_assets_tests.fanout.ranges import built
from medallion_assets_tests.fanout.test_partitions import ALL_DAYS, Counting, all_units
from medallion_assets_tests.pipeline.units_sample import CONFIG, DAYS, LANDINGS
from medallion_assets_tests.pipeline.works import Works
from medallion_assets_tests.storage import buckets

Stored = dict[str, bytes | None]


@pytest.fixture(scope="module")
def in_a_folder(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    works = all_units(tmp_path_factory.mktemp("folder"))
    built(works, ALL_DAYS, Fanout())
    return stored(works)


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Of an empty bucket that workers reach too, for none of them is older than it is."""
    end_idle()
    with buckets.server() as endpoint:
        buckets.set_environment(monkeypatch, endpoint, tmp_path / "cache")
        yield buckets.new_bucket(endpoint)
    end_idle()


def on_the_bucket(folder: Path, url: str) -> Works:
    works = Works(folder, CONFIG, bucket=url)
    for day in DAYS:
        for name, landed in LANDINGS[day].items():
            works.land(name, landed)
    return works


def stored(works: Works) -> Stored:
    place = works.store.place
    names = [name for name in place.tree() if not name.endswith("_cache.json")]
    return dict(zip(names, together(place.read, names), strict=True))


@pytest.mark.parametrize("backend", ["pool", "ray"])
def test_a_range_is_the_same(backend: str, in_a_folder: Stored, tmp_path: Path, url: str) -> None:
    with ExitStack() as stack:
        if backend == "ray":
            stack.enter_context(running_cluster(1))
        works = on_the_bucket(tmp_path, url)
        built(works, ALL_DAYS, Fanout(Pool(2) if backend == "pool" else RayTasks(2)))
    assert stored(works) == in_a_folder


def test_ranges_of_rows_are_the_same(
    in_a_folder: Stored, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "RANGE_ROWS", 1)
    works, pool = on_the_bucket(tmp_path, url), Counting(2)
    built(works, ALL_DAYS, Fanout(pool, large_rows=1))
    assert stored(works) == in_a_folder
