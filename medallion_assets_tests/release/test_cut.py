"""Laws of cutting: the same bytes again, nothing else under the name ever, and nothing that can reach it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from medallion_assets.release import cut as cutting
from medallion_assets.release import freeze
from medallion_assets.release.errors import NameTaken, NotSettled
from medallion_assets.release.manifest import ReleaseManifest
from medallion_assets.release.verify import verify
from medallion_assets_tests.pipeline.sample import alpaca
from medallion_assets_tests.pipeline.units_sample import table
from medallion_assets_tests.release.releases import (
    DAYS,
    EVERYTHING,
    ReleaseSite,
    all_units,
    three_days,
    with_releases,
)


@pytest.fixture(scope="module")
def cut_site(tmp_path_factory: pytest.TempPathFactory) -> ReleaseSite:
    site = three_days(tmp_path_factory.mktemp("site"), with_releases(EVERYTHING | {"layouts": ["axolotl"]}))
    site.cut()
    return site


def bytes_of(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_two_cuts_of_the_same_data_give_the_same_bytes(cut_site: ReleaseSite, tmp_path: Path) -> None:
    other = three_days(tmp_path, cut_site.config)
    assert bytes_of(other.cut().folder) == bytes_of(cut_site.release().folder)


def test_neither_clock_nor_zone_nor_locale_nor_hash_seed_shows(cut_site: ReleaseSite, tmp_path: Path) -> None:
    script = (
        "import sys, pathlib\n"
        "from medallion_assets_tests.release.releases import *\n"
        "site = three_days(pathlib.Path(sys.argv[1]), with_releases(EVERYTHING | {'layouts': ['axolotl']}))\n"
        "print(site.cut().id)\n"
    )
    environment = {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
    command = [sys.executable, "-W", "ignore", "-c", script, str(tmp_path)]
    result = subprocess.run(
        command, env={**os.environ, **environment}, check=True, capture_output=True, text=True
    )
    assert result.stdout.strip() == cut_site.release().id


def test_cutting_again_changes_nothing(cut_site: ReleaseSite) -> None:
    before = bytes_of(cut_site.release().folder)
    assert cutting.cut(cut_site.plan(), cut_site.store)[1] is False
    assert bytes_of(cut_site.release().folder) == before


def test_of_cuts_at_the_same_time_one_is_the_release_and_all_return_it(tmp_path: Path) -> None:
    site = three_days(tmp_path)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: cutting.cut(site.plan(), site.store), range(3)))
    assert sorted(is_new for _, is_new in found) == [False, False, True]
    assert len({release.id for release, _ in found}) == 1


def test_what_a_killed_cut_left_is_no_obstacle(cut_site: ReleaseSite, tmp_path: Path) -> None:
    site = three_days(tmp_path, cut_site.config)
    orphan = site.store.root / "releases" / ".tmp-v1"
    orphan.mkdir(parents=True)
    (orphan / "README.md").write_text("half a card")
    assert site.cut().id == cut_site.release().id
    assert [path.name for path in (site.store.root / "releases").iterdir()] == ["v1"]


def test_the_manifest_lists_every_file_that_is_there(cut_site: ReleaseSite) -> None:
    release = cut_site.release()
    listed = {file.path: file.sha256 for file in release.manifest.files}
    there = bytes_of(release.folder)
    assert there.pop("manifest.json") == release.id
    assert there == listed


def test_rows_and_tokens_of_a_file_are_those_in_it(cut_site: ReleaseSite) -> None:
    release = cut_site.release()
    for file in release.manifest.data():
        rows = pq.read_table(release.path(file), partitioning=None).to_pylist()
        assert (len(rows), sum(len(row["input_ids"]) for row in rows)) == (file.rows, file.tokens)


def test_the_name_is_never_given_to_other_data(tmp_path: Path) -> None:
    site = three_days(tmp_path)
    before = bytes_of(site.cut().folder)
    site.site.land("alpaca/2024-09-02/late.jsonl", [alpaca("something late", "an answer")])
    site.build()
    with pytest.raises(NameTaken) as caught:
        site.cut()
    assert re.search(r"packed/train/dt=2024-09-02/part-00000-\w+\.parquet: it has this", str(caught.value))
    assert "Give the new release another name in the configuration." in str(caught.value)
    assert bytes_of(site.release().folder) == before


def test_a_changed_range_is_told_by_its_key(tmp_path: Path) -> None:
    three_days(tmp_path).cut()
    empty_day = "2024-08-31"
    wider = with_releases(EVERYTHING | {"from": empty_day, "layouts": ["megatron"]})
    with pytest.raises(NameTaken) as caught:
        ReleaseSite(tmp_path, wider).cut()
    assert caught.value.differences == (
        "from: 2024-09-01 then, 2024-08-31 now",
        "layouts: none then, megatron now",
    )


def test_what_is_not_settled_is_not_cut(tmp_path: Path) -> None:
    site = three_days(tmp_path)
    stricter = with_releases(EVERYTHING, quality={"min_prompt_characters": 6})
    with pytest.raises(NotSettled) as caught:
        ReleaseSite(tmp_path, stricter).cut()
    assert caught.value.partitions[0] == "silver/alpaca_conformed 2024-09-01"
    assert not (site.store.root / "releases" / "v1").exists()


def test_a_cut_that_dies_leaves_nothing_under_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = three_days(tmp_path)
    sealed = cutting._sealed

    def dies(*_: object) -> ReleaseManifest:
        raise OSError("no space left on device")

    monkeypatch.setattr(cutting, "_sealed", dies)
    with pytest.raises(OSError, match="no space"):
        site.cut()
    assert [*(site.store.root / "releases").iterdir()] == []
    monkeypatch.setattr(cutting, "_sealed", sealed)
    verify(site.cut())


def test_no_clearing_up_reaches_a_release(tmp_path: Path) -> None:
    site = three_days(tmp_path)
    before = bytes_of(site.cut().folder)
    site.site.land("alpaca/2024-09-01/more.jsonl", [alpaca(f"more {n}", "words") for n in range(9)])
    site.build()
    for stage in site.site.stages.all():
        site.store.sweep(stage.table, grace_seconds=0)
    assert bytes_of(site.release().folder) == before
    shutil.rmtree(site.store.root / "gold")
    verify(site.release())


def test_where_files_can_not_be_linked_they_are_copied(
    cut_site: ReleaseSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = three_days(tmp_path, cut_site.config)

    def refuses(*_: object) -> None:
        raise OSError("cross-device link")

    monkeypatch.setattr(freeze.os, "link", refuses)
    assert bytes_of(site.cut().folder) == bytes_of(cut_site.release().folder)


def test_rotten_gold_is_not_released(tmp_path: Path) -> None:
    site = three_days(tmp_path)
    [path, *_] = sorted((site.store.root / "gold" / "packed").rglob("part-*.parquet"))
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    with pytest.raises(Exception, match=r"has other bytes than were written|checksum"):
        site.cut()
    assert not (site.store.root / "releases" / "v1").exists()


def test_everything_up_to_the_last_day_is_pinned_and_evaluation_sets_as_they_are(tmp_path: Path) -> None:
    """A day of silver knows all before it, and is held against the newest evaluation sets."""
    manifest = all_units(tmp_path).cut().manifest
    found = sorted({(export.source, export.landing_date) for export in manifest.exports})
    assert found == [
        ("alpaca", DAYS[0]),
        ("alpaca", DAYS[1]),
        ("eval_quiz", DAYS[0]),
        ("eval_quiz", DAYS[1]),
        ("eval_quiz", DAYS[2]),
        ("rollouts", DAYS[0]),
        ("rollouts", DAYS[1]),
    ]
    assert {file.partition for file in manifest.data()} == {DAYS[1]}
    assert manifest.eval_index is not None


def test_the_eval_index_is_pinned_by_its_newest_content(tmp_path: Path) -> None:
    site = all_units(tmp_path)
    newest = site.store.manifest(table(site.site, "silver/eval_index"), DAYS[2])
    assert newest is not None
    assert site.cut().manifest.eval_index == newest.content_hash


def test_the_library_reads_the_folder_by_its_card(
    cut_site: ReleaseSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = cut_site.release()
    for name, layout in (("packed", "rows"), ("plain", "rows"), ("packed-axolotl", "axolotl")):
        recipe = name.split("-")[0]
        found = load_dataset(str(release.folder), name, split="train", cache_dir=str(tmp_path))
        files = release.manifest.data(recipe, layout=layout)
        expected = [row for file in files for row in pq.ParquetFile(release.path(file)).read().to_pylist()]
        assert found.to_list() == expected
