"""Laws of the partition store: whole generations, no needless byte, no lost part, no way out."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from medallion_assets.storage.manifest import MANIFEST_NAME, DamagedManifest, Manifest
from medallion_assets.storage.parts import SchemaMismatch
from medallion_assets.storage.store import (
    GRACE_SECONDS,
    SAFE_NAME,
    Append,
    Build,
    PartitionStore,
    PartitionWriter,
    Table,
)
from medallion_assets_tests.storage.samples import (
    BRONZE_LOG,
    DAY,
    NUMBERS,
    SILVER,
    append_of,
    build_of,
    contents,
    digests_of,
    exit_code_of,
    numbers,
    rejects,
    rows_of,
    start,
    temporaries,
)


@pytest.fixture
def store(tmp_path: Path) -> PartitionStore:
    return PartitionStore(tmp_path / "data")


def part_names(store: PartitionStore, table: Table) -> set[str]:
    return {path.name for path in store.folder(table, DAY).iterdir()} - {MANIFEST_NAME}


def as_it_is(path: Path) -> tuple[int, int, bytes]:
    return path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes()


def test_superseded_parts_stay_for_the_grace_period(store: PartitionStore) -> None:
    old = store.overwrite(SILVER, DAY, build_of(1)).manifest
    new = store.overwrite(SILVER, DAY, build_of(2)).manifest
    assert part_names(store, SILVER) == old.file_names | new.file_names
    assert store.sweep(SILVER) == []
    superseded = [store.folder(SILVER, DAY) / name for name in old.file_names - new.file_names]
    assert store.sweep(SILVER, grace_seconds=0) == superseded
    assert (part_names(store, SILVER), rows_of(store, SILVER)) == (set(new.file_names), [2])


def test_grace_counts_from_the_replacement_not_from_the_writing(store: PartitionStore) -> None:
    old = store.overwrite(SILVER, DAY, build_of(1)).manifest
    long_ago = time.time() - 10 * GRACE_SECONDS
    for name in old.file_names:
        os.utime(store.folder(SILVER, DAY) / name, (long_ago, long_ago))
    store.overwrite(SILVER, DAY, build_of(2))
    assert old.file_names <= part_names(store, SILVER)


def test_parts_superseded_long_ago_go_with_the_next_write(store: PartitionStore) -> None:
    old = store.overwrite(SILVER, DAY, build_of(1)).manifest
    new = store.overwrite(SILVER, DAY, build_of(2)).manifest
    long_ago = time.time() - 2 * GRACE_SECONDS
    for name in old.file_names - new.file_names:
        os.utime(store.folder(SILVER, DAY) / name, (long_ago, long_ago))
    newest = store.overwrite(SILVER, DAY, build_of(3)).manifest
    assert part_names(store, SILVER) == new.file_names | newest.file_names


def fail_nth(name: str, nth: int, function: Callable[..., object]) -> Callable[..., object]:
    calls = iter(range(1, 1000))

    def call(*arguments: object, **options: object) -> object:
        if next(calls) == nth:
            raise OSError(5, f"{name} {nth} failed")
        return function(*arguments, **options)

    return call


@pytest.mark.parametrize(
    ("step", "nth"), [("fsync", n) for n in range(1, 6)] + [("replace", n) for n in (1, 2, 3)]
)
def test_a_disk_that_fails_once_leaves_the_old_generation_and_its_own_words(
    store: PartitionStore, monkeypatch: pytest.MonkeyPatch, step: str, nth: int
) -> None:
    store.overwrite(SILVER, DAY, build_of(1))
    with monkeypatch.context() as patched:
        patched.setattr(os, step, fail_nth(step, nth, getattr(os, step)))
        with pytest.raises(OSError, match=f"{step} {nth} failed"):
            store.overwrite(SILVER, DAY, build_of(2))
    assert (rows_of(store, SILVER), temporaries(store.root)) == ([1], [])
    store.overwrite(SILVER, DAY, build_of(2))
    assert rows_of(store, SILVER) == [2]


@pytest.mark.parametrize("damage", ["delete", "truncate"])
def test_a_rerun_heals_a_damaged_part(store: PartitionStore, damage: str) -> None:
    store.overwrite(SILVER, DAY, build_of(1, 2, rejected=1))
    before = contents(store.root)
    for path in store.paths(SILVER, DAY) + store.paths(SILVER, DAY, rejects=True):
        path.unlink() if damage == "delete" else os.truncate(path, 10)
        store.overwrite(SILVER, DAY, build_of(1, 2, rejected=1))
        assert contents(store.root) == before


def test_a_manifest_survives_encoding(store: PartitionStore) -> None:
    manifest = store.append(BRONZE_LOG, DAY, append_of(b=[1], a=[2])).manifest
    path = store.folder(BRONZE_LOG, DAY) / MANIFEST_NAME
    assert (Manifest.read(path), path.read_bytes()) == (manifest, manifest.encode())


def test_a_manifest_of_this_very_moment_is_not_remembered(store: PartitionStore) -> None:
    """Another one in the same tick of the clock may have its inode and its time."""
    manifests = [store.overwrite(SILVER, DAY, build_of(number)).manifest for number in (1, 2)]
    path = store.folder(SILVER, DAY) / MANIFEST_NAME
    found = []
    for manifest in manifests:
        path.write_bytes(manifest.encode())
        os.utime(path, (ahead := time.time() + 60, ahead))
        found.append(Manifest.read(path))
    assert found == manifests


def test_a_damaged_manifest_is_reported_and_not_written_over(store: PartitionStore) -> None:
    store.overwrite(SILVER, DAY, build_of(1))
    path = store.folder(SILVER, DAY) / MANIFEST_NAME
    path.write_bytes(damaged := path.read_bytes()[:-20])
    for attempt in (store.manifest, store.paths, lambda table, key: store.overwrite(table, key, build_of(2))):
        with pytest.raises(DamagedManifest, match=MANIFEST_NAME):
            attempt(SILVER, DAY)
    assert path.read_bytes() == damaged


def test_an_append_leaves_what_is_held_untouched(store: PartitionStore) -> None:
    store.append(BRONZE_LOG, DAY, append_of(b=[1, 2]))
    held = {path: as_it_is(path) for path in store.paths(BRONZE_LOG, DAY)}
    written = store.append(BRONZE_LOG, DAY, append_of(a=[3], c=[4]))
    store.sweep(BRONZE_LOG, grace_seconds=0)
    assert {path: as_it_is(path) for path in held} == held
    assert [part.export for part in written.manifest.parts] == ["a", "b", "c"]
    assert rows_of(store, BRONZE_LOG) == [3, 1, 2, 4]


def test_an_append_that_fails_adds_nothing_to_the_manifest(store: PartitionStore) -> None:
    store.append(BRONZE_LOG, DAY, append_of(b=[1]))
    manifest = (store.folder(BRONZE_LOG, DAY) / MANIFEST_NAME).read_bytes()
    wrong = Append({**append_of(a=[2]).parts, "c": lambda: [numbers([3]), rejects(1)]})
    with pytest.raises(SchemaMismatch):
        store.append(BRONZE_LOG, DAY, wrong)
    assert (store.folder(BRONZE_LOG, DAY) / MANIFEST_NAME).read_bytes() == manifest
    assert (rows_of(store, BRONZE_LOG), temporaries(store.root)) == ([1], [])


HOSTILE = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "/etc",
    "a\\b",
    "A",
    "a'b",
    'a"b',
    "a;b",
    "a b",
    "a\n",
    "é",
    ".a",
    "-a",
    "a..b",
    "a\0",
]
NAMES = st.one_of(
    st.sampled_from(HOSTILE), st.text(max_size=5), st.from_regex(r"(\.\.?/|[a-z/.])*", fullmatch=True)
)


def everything_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@given(name=NAMES, place=st.sampled_from(["layer", "table", "version", "key"]))
@settings(max_examples=150, deadline=None)
def test_a_name_that_is_no_slug_is_refused_and_nothing_is_made(
    tmp_path_factory: pytest.TempPathFactory, name: str, place: str
) -> None:
    assume(not SAFE_NAME.fullmatch(name) or ".." in name)
    assume(place != "version" or name)  # no version is an unversioned table
    outside = tmp_path_factory.mktemp("outside")
    names = {"layer": "gold", "table": "t", "version": "v", "key": "k", place: name}
    table = Table(names["layer"], names["table"], NUMBERS, version=names["version"])
    store = PartitionStore(outside / "a" / "data")
    attempts: list[Callable[[], object]] = [
        lambda: store.overwrite(table, names["key"], build_of(1)),
        lambda: store.append(table, names["key"], append_of(a=[1])),
        lambda: store.manifest(table, names["key"]),
        lambda: store.paths(table, names["key"]),
    ]
    for attempt in attempts:
        with pytest.raises(ValueError, match="can't name a folder of the store"):
            attempt()
    assert everything_below(outside) == []


@given(name=st.from_regex(SAFE_NAME, fullmatch=True).filter(lambda name: ".." not in name))
@settings(max_examples=20, deadline=None)
def test_a_slug_stays_inside_the_root(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    outside = tmp_path_factory.mktemp("outside")
    store = PartitionStore(outside / "data")
    table = Table("gold", name, NUMBERS, version=name)
    store.overwrite(table, name, build_of(1))
    assert (store.keys(table), rows_of(store, table, name)) == ([name], [1])
    assert [path.name for path in outside.iterdir()] == ["data"]


def count_one_build(root: Path, log: Path) -> None:
    def write(writer: PartitionWriter) -> None:
        with log.open("a") as file:
            file.write("built\n")
        writer.rows(numbers([1]))

    PartitionStore(root).overwrite(SILVER, DAY, Build(lambda: digests_of(1), write))


def test_writers_of_the_same_generation_build_it_once(store: PartitionStore, tmp_path: Path) -> None:
    children = [start(count_one_build, store.root, tmp_path / "log") for _ in range(6)]
    assert [exit_code_of(child) for child in children] == [0] * 6
    assert (tmp_path / "log").read_text() == "built\n"
