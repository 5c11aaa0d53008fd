"""Laws of the partition store: whole generations, no needless byte, no lost part, no way out."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Iterable
from functools import partial
from itertools import permutations
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple, replace

from medallion_assets.schemas import REJECTS
from medallion_assets.storage.manifest import MANIFEST_NAME, DamagedManifest, Digests, Manifest
from medallion_assets.storage.parts import SchemaMismatch
from medallion_assets.storage.store import (
    CURRENT_VERSION_NAME,
    GRACE_SECONDS,
    SAFE_NAME,
    Append,
    Build,
    ImmutablePartition,
    MissingPartition,
    OtherSchema,
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
    gold,
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


def failing_build(error: BaseException) -> Build:
    def write(writer: PartitionWriter) -> None:
        writer.rows(numbers(range(100)))
        writer.rejects(rejects(3))
        raise error

    return Build(lambda: digests_of("failing"), write)


def test_a_partition_is_read_as_it_was_written(store: PartitionStore) -> None:
    written = store.overwrite(SILVER, DAY, build_of(*range(5000), rejected=2))
    assert (written.changed, written.manifest) == (True, store.manifest(SILVER, DAY))
    assert (written.manifest.rows, written.manifest.rejected_rows) == (5000, 2)
    assert written.manifest.summary == {"rejected": {"too_odd": 2}}
    assert rows_of(store, SILVER) == list(range(5000))
    [rejected] = store.batches(SILVER, DAY, ["record_number"], rejects=True)
    assert rejected.to_pydict() == {"record_number": [1, 2]}


def test_the_same_digests_cost_no_work_and_change_no_byte(store: PartitionStore) -> None:
    written = store.overwrite(SILVER, DAY, build_of(1, 2))
    before = contents(store.root)

    def never(writer: PartitionWriter) -> None:
        raise AssertionError("the partition is up to date")

    again = PartitionStore(store.root).overwrite(SILVER, DAY, Build(build_of(1, 2).digests, never))
    assert (again.changed, again.manifest, contents(store.root)) == (False, written.manifest, before)


@pytest.mark.parametrize("other", ["inputs", "code", "config"])
def test_another_digest_of_any_kind_builds_again(store: PartitionStore, other: str) -> None:
    first = Digests(inputs="", code="", config="")
    changed = replace(first, **{other: "changed"})
    written = [
        store.overwrite(SILVER, DAY, Build(partial(Digests, *astuple(digests)), lambda writer: None)).changed
        for digests in (first, changed, changed, first)
    ]
    assert written == [True, True, False, True]


def test_equal_rows_from_other_inputs_have_the_same_content_hash(store: PartitionStore) -> None:
    build = build_of(1, 2)
    first = store.overwrite(SILVER, DAY, build).manifest
    second = store.overwrite(SILVER, DAY, Build(lambda: digests_of("other inputs"), build.write)).manifest
    assert (first.content_hash, first.parts) == (second.content_hash, second.parts)
    assert first.digests != second.digests


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


def test_a_reader_of_the_old_generation_ends_on_it(store: PartitionStore) -> None:
    store.overwrite(SILVER, DAY, build_of(*range(5000)))
    reading = store.batches(SILVER, DAY)
    first = next(reading).num_rows
    store.overwrite(SILVER, DAY, build_of(7))
    assert first + sum(batch.num_rows for batch in reading) == 5000


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt()], ids=repr)
def test_a_failing_build_leaves_the_old_generation(store: PartitionStore, error: BaseException) -> None:
    store.overwrite(SILVER, DAY, build_of(1))
    before = contents(store.root)
    with pytest.raises(type(error)):
        store.overwrite(SILVER, DAY, failing_build(error))
    assert contents(store.root) == before


def test_a_failing_first_build_leaves_no_partition(store: PartitionStore) -> None:
    with pytest.raises(ValueError, match="bad"):
        store.overwrite(SILVER, DAY, failing_build(ValueError("bad")))
    assert (store.keys(SILVER), store.manifest(SILVER, DAY), contents(store.root)) == ([], None, {})
    with pytest.raises(MissingPartition, match="silver/numbers has no partition 2024-09-01"):
        store.paths(SILVER, DAY)


def test_rows_of_another_schema_leave_the_old_generation(store: PartitionStore) -> None:
    store.overwrite(SILVER, DAY, build_of(1))
    before = contents(store.root)
    wrong = Build(lambda: digests_of("wrong"), lambda writer: writer.rows(rejects(1)))
    with pytest.raises(SchemaMismatch, match="'stage' is not declared"):
        store.overwrite(SILVER, DAY, wrong)
    assert contents(store.root) == before


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


def test_an_input_that_changes_during_the_build_is_built_again(store: PartitionStore) -> None:
    seen, arriving = [1], [2, 3]

    def write(writer: PartitionWriter) -> None:
        writer.rows(numbers(seen))
        if arriving:
            seen.append(arriving.pop())

    written = store.overwrite(SILVER, DAY, Build(lambda: digests_of(seen), write))
    assert (rows_of(store, SILVER), written.manifest.digests) == ([1, 3, 2], digests_of([1, 3, 2]))


@pytest.mark.parametrize("damage", ["delete", "truncate"])
def test_a_rerun_heals_a_damaged_part(store: PartitionStore, damage: str) -> None:
    store.overwrite(SILVER, DAY, build_of(1, 2, rejected=1))
    before = contents(store.root)
    for path in store.paths(SILVER, DAY) + store.paths(SILVER, DAY, rejects=True):
        path.unlink() if damage == "delete" else os.truncate(path, 10)
        store.overwrite(SILVER, DAY, build_of(1, 2, rejected=1))
        assert contents(store.root) == before


def test_an_empty_partition_has_a_manifest_and_files_without_rows(store: PartitionStore) -> None:
    manifest = store.overwrite(SILVER, DAY, Build(lambda: digests_of(()), lambda writer: None)).manifest
    assert store.keys(SILVER) == [DAY]
    assert [part.rows for part in manifest.parts + manifest.rejects] == [0, 0]
    [batches, rejected] = [list(store.batches(SILVER, DAY, rejects=which)) for which in (False, True)]
    assert sum(batch.num_rows for batch in batches + rejected) == 0
    assert part_names(store, SILVER) == manifest.file_names


def test_keys_are_ascending_and_only_of_this_table(store: PartitionStore) -> None:
    for key in ("2024-09-03", "2024-09-01", "2024-09-02"):
        store.overwrite(SILVER, key, build_of(1))
    store.overwrite(Table("silver", "numbers_2", NUMBERS), "2024-09-09", build_of(1))
    assert store.keys(SILVER) == ["2024-09-01", "2024-09-02", "2024-09-03"]


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


def test_an_append_only_partition_is_never_overwritten(store: PartitionStore) -> None:
    store.append(BRONZE_LOG, DAY, append_of(a=[1]))
    before = contents(store.root)
    with pytest.raises(ImmutablePartition, match="bronze/log is append-only"):
        store.overwrite(BRONZE_LOG, DAY, build_of(2))
    assert contents(store.root) == before


def test_an_append_leaves_what_is_held_untouched(store: PartitionStore) -> None:
    store.append(BRONZE_LOG, DAY, append_of(b=[1, 2]))
    held = {path: as_it_is(path) for path in store.paths(BRONZE_LOG, DAY)}
    written = store.append(BRONZE_LOG, DAY, append_of(a=[3], c=[4]))
    store.sweep(BRONZE_LOG, grace_seconds=0)
    assert {path: as_it_is(path) for path in held} == held
    assert [part.export for part in written.manifest.parts] == ["a", "b", "c"]
    assert rows_of(store, BRONZE_LOG) == [3, 1, 2, 4]


def test_appending_what_is_held_changes_nothing(store: PartitionStore) -> None:
    store.append(BRONZE_LOG, DAY, append_of(a=[1], b=[2]))
    before = contents(store.root)

    def never() -> Iterable[pa.Table]:
        raise AssertionError("the part is held")

    again = store.append(BRONZE_LOG, DAY, Append({"a": never, "b": never}))
    assert (again.changed, contents(store.root)) == (False, before)


def test_the_order_and_grouping_of_appends_change_no_byte(tmp_path: Path) -> None:
    exports = {"a": [1, 2], "b": [], "c": [3]}
    found = []
    for number, order in enumerate(permutations(exports)):
        store = PartitionStore(tmp_path / str(number))
        for label in order:
            store.append(BRONZE_LOG, DAY, append_of(**{label: exports[label]}))
        found.append(contents(store.root))
    together = PartitionStore(tmp_path / "together")
    together.append(BRONZE_LOG, DAY, append_of(**exports))
    assert all(tree == contents(together.root) for tree in found)


def test_an_append_that_fails_adds_nothing_to_the_manifest(store: PartitionStore) -> None:
    store.append(BRONZE_LOG, DAY, append_of(b=[1]))
    manifest = (store.folder(BRONZE_LOG, DAY) / MANIFEST_NAME).read_bytes()
    wrong = Append({**append_of(a=[2]).parts, "c": lambda: [numbers([3]), rejects(1)]})
    with pytest.raises(SchemaMismatch):
        store.append(BRONZE_LOG, DAY, wrong)
    assert (store.folder(BRONZE_LOG, DAY) / MANIFEST_NAME).read_bytes() == manifest
    assert (rows_of(store, BRONZE_LOG), temporaries(store.root)) == ([1], [])


def test_a_versioned_table_says_which_version_is_current(store: PartitionStore) -> None:
    current = store.root / "gold" / "packed" / CURRENT_VERSION_NAME
    for version in ("aa", "bb", "aa"):
        store.overwrite(gold(version), DAY, build_of(1))
        assert current.read_text() == version
    assert (rows_of(store, gold("aa")), rows_of(store, gold("bb"))) == ([1], [1])


def test_a_version_whose_build_fails_does_not_become_current(store: PartitionStore) -> None:
    store.overwrite(gold("aa"), DAY, build_of(1))
    before = contents(store.root)
    with pytest.raises(ValueError, match="bad"):
        store.overwrite(gold("bb"), DAY, failing_build(ValueError("bad")))
    assert contents(store.root) == before


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


def test_rejects_have_their_own_schema(store: PartitionStore) -> None:
    store.overwrite(SILVER, DAY, build_of(1, rejected=1))
    [batch] = store.batches(SILVER, DAY, rejects=True)
    assert batch.schema.names == REJECTS.arrow.names


def test_a_partition_of_another_schema_version_is_not_read_as_this_one(store: PartitionStore) -> None:
    store.overwrite(SILVER, DAY, build_of(1))
    newer = dataclasses.replace(SILVER, schema=dataclasses.replace(NUMBERS, version=2))
    with pytest.raises(OtherSchema, match=r"2024-09-01 has version 1 .* --select silver/numbers"):
        store.paths(newer, DAY)
    assert rows_of(store, SILVER) == [1]
