"""Laws of loading: only what was released; every row once; and a resumed stream goes on at its very row."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
import tracemalloc
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.release import Stream, blocks, load, loading, paths
from medallion_assets.release.errors import DamagedRelease, NoRelease
from medallion_assets.release.manifest import Release
from medallion_assets_tests.release.releases import (
    EVERYTHING,
    ReleaseSite,
    flip,
    three_days,
    with_releases,
)

TRAINING_SCRIPT = """
import builtins, json, sys
allowed = builtins.__import__
def only_light(name, *rest, **kw):
    if name.split(".")[0] in {"dagster", "duckdb", "ftfy", "pydantic", "tokenizers", "transformers"}:
        raise ImportError(f"a training environment has no {name}")
    return allowed(name, *rest, **kw)
builtins.__import__ = only_light
from medallion_assets.release import load, paths
heavy = sorted({"datasets", "pandas", "numpy.testing"} & set(sys.modules))
rows = load(sys.argv[1], "packed")
streamed = load(sys.argv[1], "packed", streaming=True)
print(json.dumps([heavy, len(rows), len(list(streamed)), len(paths(sys.argv[1], "packed"))]))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> ReleaseSite:
    made = three_days(tmp_path_factory.mktemp("site"), with_releases(EVERYTHING | {"layouts": ["megatron"]}))
    made.cut()
    return made


@pytest.fixture(scope="module")
def release(site: ReleaseSite) -> Release:
    return site.release()


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """So that the sample has several; and nothing is left in the user's own cache."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1)
    monkeypatch.setattr(blocks, "SLICE_ROWS", 7)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))


def ids(rows: Any) -> list[tuple[str, ...]]:
    return [tuple(row["record_ids"]) for row in rows]


def stored(release: Release, recipe: str) -> list[Any]:
    files = release.manifest.data(recipe)
    return [row for file in files for row in pq.ParquetFile(release.path(file)).read().to_pylist()]


def test_a_training_environment_needs_neither_dagster_nor_an_engine(release: Release, tmp_path: Path) -> None:
    command = [sys.executable, "-c", TRAINING_SCRIPT, str(release.folder)]
    environment = {"HF_HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    packed = stored(release, "packed")
    assert json.loads(result.stdout) == [[], len(packed), len(packed), 2]


@pytest.mark.parametrize("recipe", ["packed", "plain"])
def test_both_ways_of_loading_give_the_rows_as_they_are_stored(release: Release, recipe: str) -> None:
    expected = stored(release, recipe)
    assert load(release.folder, recipe).to_list() == expected
    assert list(load(release.folder, recipe, streaming=True)) == expected


def test_a_layout_is_loaded_by_its_own_name(release: Release) -> None:
    assert load(release.folder, "packed-megatron").column_names == ["input_ids", "loss_mask", "seq_start_id"]


def test_by_name_the_release_is_looked_for_in_the_store(site: ReleaseSite, release: Release) -> None:
    files = [release.path(file) for file in release.manifest.data("plain")]
    assert paths("v1", "plain", data=site.store.root) == files


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            ("v1",),
            "the release v1 has several recipes; name one of: packed, packed-megatron, plain, plain-megatron",
        ),
        (
            ("v1", "nope"),
            "the release v1 has no recipe 'nope'; name one of: packed, packed-megatron, plain, plain-",
        ),
        (("v1", "plain", "test"), "plain of the release v1 has no split 'test', but: train"),
        (("v2", "plain"), "there is no release v2 in .*/releases; there are: v1"),
        (("./v2", "plain"), "v2 holds no release: it has no manifest.json"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(site: ReleaseSite, asked: Any, message: str) -> None:
    with pytest.raises(NoRelease, match=message):
        load(*asked, data=site.store.root)


@pytest.mark.parametrize("streamed", [False, True])
def test_an_altered_file_is_named_before_a_row_is_given(tmp_path: Path, *, streamed: bool) -> None:
    release = three_days(tmp_path).cut()
    [file, *_] = release.manifest.data("plain")
    flip(release.path(file))
    with pytest.raises(DamagedRelease) as caught:
        load(release.folder, "plain", streaming=streamed)
    assert caught.value.problems == (f"{file.path} has other bytes than were written",)
    load(release.folder, "packed", streaming=streamed)  # which is whole


@given(seed=st.none() | st.integers(0, 99), epoch=st.integers(0, 3), world=st.integers(1, 5), data=st.data())
def test_a_stream_goes_on_where_its_state_was_saved(
    release: Release, seed: int | None, epoch: int, world: int, data: st.DataObject
) -> None:
    stream = Stream(seed=seed, rank=data.draw(st.integers(0, world - 1)), world_size=world, epoch=epoch)
    whole = ids(load(release.folder, "plain", streaming=stream))
    stop = data.draw(st.integers(0, len(whole)))
    first = load(release.folder, "plain", streaming=stream)
    rows = iter(first)
    seen = ids(next(rows) for _ in range(stop))
    state = json.loads(json.dumps(first.state_dict()))
    resumed = pickle.loads(pickle.dumps(load(release.folder, "plain", streaming=stream)))
    resumed.load_state_dict(state)
    assert seen + ids(resumed) == whole


@given(seed=st.none() | st.integers(0, 99), epoch=st.integers(0, 3), world=st.integers(1, 5))
def test_all_ranks_together_have_every_row_once_and_each_as_many(
    release: Release, seed: int | None, epoch: int, world: int
) -> None:
    shares = [
        ids(
            load(
                release.folder, "plain", streaming=Stream(seed=seed, rank=rank, world_size=world, epoch=epoch)
            )
        )
        for rank in range(world)
    ]
    assert sorted(row for share in shares for row in share) == sorted(ids(stored(release, "plain")))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_seed_and_an_epoch_name_one_order(release: Release) -> None:
    def order(seed: int, epoch: int) -> list[tuple[str, ...]]:
        dataset = load(release.folder, "plain", streaming=Stream(seed=seed))
        dataset.set_epoch(epoch)
        return ids(dataset)

    orders = {(seed, epoch): order(seed, epoch) for seed in (1, 2) for epoch in (0, 1, 2)}
    assert len({tuple(each) for each in orders.values()}) == len(orders)
    assert all(order(*place) == each for place, each in orders.items())


def test_days_meet_in_a_block(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a shuffled stream would still be sorted by day."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1 << 20)
    monkeypatch.setattr(blocks, "LEAST_BLOCKS", 1)
    day = {row: file.partition for file in release.manifest.data("plain") for row in _ids_in(release, file)}
    days = [day[row] for row in ids(load(release.folder, "plain", streaming=Stream(seed=1)))]
    changes = sum(before != after for before, after in pairwise(days))
    assert changes > 5


def _ids_in(release: Release, file: Any) -> list[tuple[str, ...]]:
    return ids(pq.ParquetFile(release.path(file)).read().to_pylist())


def test_a_path_is_no_pattern(release: Release, tmp_path: Path) -> None:
    copy = tmp_path / "run [3] * ?"
    shutil.copytree(release.folder, copy)
    assert load(copy, "packed").to_list() == load(release.folder, "packed").to_list()


def test_a_large_file_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "large.parquet"
    numbers = np.random.default_rng(0).integers(0, 1 << 60, 1 << 20)
    pq.write_table(pa.table({"number": numbers}), path, row_group_size=1 << 14)
    tracemalloc.start()
    assert len(loading._mapped([path])) == 1 << 20
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < path.stat().st_size / 2
