"""The whole pipeline on a bucket: the bytes of a folder, and everything that is asked of a store."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner

from medallion_assets.automation.settle import Cause, Survey
from medallion_assets.checks.store_checks import store_looks
from medallion_assets.cli import main
from medallion_assets.recover.damage import verify_store
from medallion_assets.recover.rebuild import rebuild
from medallion_assets.release.audit import audit
from medallion_assets.release.cut import Plan, cut
from medallion_assets.release.errors import DamagedRelease, NameTaken
from medallion_assets.release.loading import load
from medallion_assets.release.manifest import find_release, release_names
from medallion_assets.roots import project_folder
from medallion_assets.storage import attempts, catalogue
from medallion_assets.storage.places import place_at
from medallion_assets.storage.present import present_files
from medallion_assets.storage.s3 import sweeping
from medallion_assets.storage.s3.together import together
from medallion_assets.storage.still import StillStore
from medallion_assets_tests.faults.layers import CONFIG, DAYS, land_first, land_second
from medallion_assets_tests.pipeline.sample import Site
from medallion_assets_tests.pipeline.works import Works, outdated_days
from medallion_assets_tests.storage import buckets

[RELEASE] = CONFIG.releases
GOLD = "gold/packed"


@dataclass
class Both:
    """The same pipeline in a folder and on a bucket, landed, built and released."""

    folder: Works
    bucket: Works
    url: str
    endpoint: str


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    home = tmp_path_factory.mktemp("both")
    with (
        pytest.MonkeyPatch.context() as patch,
        buckets.server() as endpoint,
    ):
        buckets.set_environment(patch, endpoint, home / "cache")
        url = buckets.new_bucket(endpoint)
        patch.setenv("MEDALLION_DATA", url)
        made = Both(Works(home / "a", CONFIG), Works(home / "b", CONFIG, bucket=url), url, endpoint)
        for works in (made.folder, made.bucket):
            land_first(works)
            for day in DAYS:
                works.build_day(day)
            land_second(works)
            works.build_day(DAYS[1])
            cut(_plan(works), works.store)
        yield made


@pytest.fixture(autouse=True)
def without_copies(both: Both) -> None:
    """Each test asks as a machine that has seen nothing yet."""
    shutil.rmtree(both.bucket.store.root, ignore_errors=True)


def _plan(works: Works) -> Plan:
    return Plan.of(RELEASE, CONFIG, works.stages)


def stored(works: Works) -> dict[str, bytes | None]:
    place = works.store.place
    names = [name for name in place.tree() if not name.endswith("_cache.json")]
    return dict(zip(names, together(place.read, names), strict=True))


def test_every_file_has_the_bytes_of_a_folders(both: Both) -> None:
    found = stored(both.bucket)
    assert found == stored(both.folder)
    kinds = {name.split("/")[0] for name in found} | {name.split("/")[2] for name in found}
    assert {"bronze", "silver", "gold", "releases", "_raw", "_exports"} <= kinds


def test_another_machine_finds_nothing_to_do(both: Both) -> None:
    assert [change for day in DAYS for change in both.bucket.build_day(day)] == []
    assert outdated_days(both.bucket.stages, both.bucket.store) == set()
    survey = Survey(both.bucket.stages, both.bucket.store, first=CONFIG.start_date)
    assert {cause for each in survey.look().values() for cause in each.outdated.values()} == set()


def test_a_survey_costs_a_listing_for_each_table_and_one_for_attempts(both: Both, tmp_path: Path) -> None:
    with buckets.proxy(both.endpoint) as proxy:
        store = buckets.on_another_machine(both.url, proxy.url, tmp_path)
        survey = Survey(both.bucket.stages, store, first=CONFIG.start_date)
        survey.look()
        proxy.counts.clear()
        survey.look()
    tables = {table for stage in both.bucket.stages.all() for table in (stage.table, *stage.inputs)}
    assert dict(proxy.counts) == {"LIST": len(tables) + 1}


def test_a_release_is_loaded_by_its_name_and_by_its_url(both: Both) -> None:
    expected = load("v1", data=both.folder.roots.data).to_list()
    assert load("v1").to_list() == expected
    assert load(f"{both.url}/releases/v1").to_list() == expected
    assert release_names(place_at(both.url)) == ["v1"]


def test_a_damaged_copy_of_a_release_is_fetched_again(both: Both) -> None:
    rows = load("v1").to_list()
    for path in (both.bucket.store.root / "releases").rglob("*.parquet"):
        path.write_bytes(bytes(path.stat().st_size))
    assert load("v1").to_list() == rows


def test_a_release_is_built_again_from_the_bucket(both: Both) -> None:
    found = audit(find_release("v1"), both.bucket.store, None)
    assert (found.passed, found.differences, found.skipped) == (True, (), None)


def test_a_release_that_is_there_is_left_as_it_is(both: Both) -> None:
    before = stored(both.bucket)
    assert not cut(_plan(both.bucket), both.bucket.store)[1]
    other = RELEASE.model_copy(update={"last": CONFIG.start_date})
    with pytest.raises(NameTaken):
        cut(Plan.of(other, CONFIG, both.bucket.stages), both.bucket.store)
    assert stored(both.bucket) == before


def test_a_changed_object_of_a_release_is_told(both: Both) -> None:
    place = place_at(both.url)
    [file] = list(find_release("v1").manifest.data())[:1]
    sound = place.read(f"releases/v1/{file.path}") or b""
    try:
        place.replace(f"releases/v1/{file.path}", bytes(len(sound)))
        with pytest.raises(DamagedRelease, match=r"has other bytes than were written"):
            load("v1")
        [damage] = verify_store(both.url).damages
        assert damage.path == f"releases/v1/{file.path}"
        assert not audit(find_release("v1"), both.bucket.store, None).passed
    finally:
        place.replace(f"releases/v1/{file.path}", sound)


def test_damage_is_found_in_the_bucket_and_made_good(both: Both) -> None:
    before = stored(both.bucket)
    place, store = place_at(both.url), both.bucket.store
    for stage in both.bucket.stages.all():
        manifest = store.manifest(stage.table, DAYS[1])
        assert manifest is not None
        name = f"{store.shown(stage.table, DAYS[1])}/{manifest.parts[0].name}".removeprefix(f"{both.url}/")
        store.paths(stage.table, DAYS[1])  # a sound copy here hides nothing
        place.replace(name, b"rot")
    found = verify_store(both.url)
    assert len(found.damages) == len(list(both.bucket.stages.all()))
    remedies = list(rebuild(found.damages, both.bucket.stages, store))
    assert all(remedy.done for remedy in remedies)
    assert (stored(both.bucket), verify_store(both.url).damages) == (before, ())


def test_the_nightly_checks_find_nothing(both: Both) -> None:
    looks = store_looks(both.bucket.stages, both.bucket.store)
    assert {name: look("seed").faults for name, look in looks.items()} == dict.fromkeys(looks, ())


def test_a_sweep_leaves_all_that_is_named_and_every_release(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ns = sweeping.now_ns
    monkeypatch.setattr(sweeping, "now_ns", lambda objects: now_ns(objects) + 10**17)
    before = stored(both.bucket)
    removed = [path for stage in both.bucket.stages.all() for path in both.bucket.store.sweep(stage.table)]
    assert removed  # what the second landing superseded
    root = both.bucket.store.root
    assert before.keys() - stored(both.bucket).keys() == {str(path.relative_to(root)) for path in removed}
    assert verify_store(both.url).damages == ()
    assert audit(find_release("v1"), both.bucket.store, None).passed


@pytest.mark.parametrize("view", [*(["gold.packed", "silver.sft_pairs", "silver.rejects", "bronze.chats"])])
def test_the_catalogue_shows_what_a_folders_does(both: Both, view: str) -> None:
    found = []
    for data in (both.folder.roots.data, both.url):
        with catalogue.connect(data) as duck:
            found.append(duck.sql(f"SELECT * FROM {view} ORDER BY ALL").fetchall())
    assert found[0] == found[1]
    assert found[0]


def test_the_page_on_object_storage_has_examples_that_run(both: Both) -> None:
    page = (project_folder() / "docs" / "object_storage.md").read_text()
    [example] = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    found: dict[str, Any] = {}
    exec(example.replace("demo_v1", "v1"), found)
    assert len(found["train"]) > 0
    assert len(found["files"]) == len(DAYS)


def test_present_files_are_files_of_this_machine(both: Both) -> None:
    found = [
        [(path.name, path.read_bytes()) for path in present_files(GOLD, data=data)]
        for data in (both.folder.roots.data, both.url)
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize("question", ["file late.jsonl", f"gold packed --partition {DAYS[1]} --bin 0"])
def test_a_trace_says_what_it_says_of_a_folder(both: Both, question: str) -> None:
    words = ["trace", *question.split()]
    said = [
        CliRunner().invoke(main, words, env={"MEDALLION_DATA": str(data)}, catch_exceptions=False)
        for data in (both.folder.roots.data, both.url)
    ]
    assert [each.exit_code for each in said] == [0, 0]
    assert said[0].output == said[1].output


def test_the_commands_work(both: Both) -> None:
    for words in (["verify"], ["audit", "v1"], ["diff", "v1", "v1"], ["catalogue"], ["cache", "--keep", "0"]):
        result = CliRunner().invoke(main, words, catch_exceptions=False)
        assert result.exit_code == 0, result.output


def test_a_worker_that_is_killed_counts_as_an_attempt_everywhere(both: Both) -> None:
    stage, store = both.bucket.stage(GOLD), both.bucket.store
    build = stage.build(store, DAYS[0])
    for number in (1, 2):
        attempts._begin(store.place, stage.table, DAYS[0], build.digests())  # type: ignore[union-attr]
        shutil.rmtree(store.root, ignore_errors=True)
        assert attempts.attempts(store.place, stage.table, DAYS[0], build.digests()) == number  # type: ignore[union-attr]
    assert list(attempts.state(StillStore(store).place, stage.table)) == [DAYS[0]]
    store.place.remove(attempts._name(stage.table, DAYS[0]))


def test_dagster_runs_on_it(both: Both, tmp_path: Path) -> None:
    """A new bucket, through the definitions: the bytes of the store that was built by hand."""
    url = buckets.new_bucket(both.endpoint)
    site = Site(tmp_path, CONFIG, bucket=url)
    land_first(site)
    instance = dg.DagsterInstance.ephemeral()
    for select in ("group:bronze or group:silver or group:gold", "releases/v1"):
        keys = dg.AssetSelection.from_string(select)
        assert site.run(DAYS[0], DAYS[2], instance=instance, select=keys).success  # type: ignore[arg-type]
    expected = Works(tmp_path / "folder", CONFIG)
    land_first(expected)
    for day in DAYS:
        expected.build_day(day)
    cut(_plan(expected), expected.store)
    assert stored(site) == stored(expected)
    event = instance.get_latest_materialization_event(dg.AssetKey(["gold", "packed"]))
    assert event is not None
    shown = str(event.asset_materialization.metadata["path"].value)  # type: ignore[union-attr]
    assert shown.startswith(f"{url}/gold/packed/v=")


def test_causes_are_told_as_in_a_folder(both: Both) -> None:
    survey = Survey(both.bucket.stages, both.bucket.store, first=CONFIG.start_date)
    both.bucket.store.set_aside(both.bucket.stage(GOLD).table, DAYS[2])
    [(key, outdated)] = survey.look()[("gold", "packed")].outdated.items()
    assert (key, outdated.cause) == (DAYS[2], Cause.NEVER_BUILT)
    assert both.bucket.build_day(DAYS[2]) == [(GOLD, DAYS[2])]
