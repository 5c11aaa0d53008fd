"""Laws of the partition store wherever it lies: whole generations, no needless byte, no lost part."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from functools import partial
from itertools import count, permutations
from pathlib import Path

import pyarrow as pa
import pytest
from msgspec.structs import astuple, replace

from medallion_assets.schemas import REJECTS
from medallion_assets.storage.manifest import MANIFEST_NAME, Digests
from medallion_assets.storage.parts import SchemaMismatch
from medallion_assets.storage.store import (
    Append,
    Build,
    ImmutablePartition,
    MissingPartition,
    OtherSchema,
    PartitionStore,
    PartitionWriter,
    Table,
)
from medallion_assets_tests.storage import buckets
from medallion_assets_tests.storage.samples import (
    BRONZE_LOG,
    DAY,
    NUMBERS,
    SILVER,
    append_of,
    build_of,
    digests_of,
    gold,
    numbers,
    rejects,
    rows_of,
    temporaries,
)

PLACES = ("folder", "bucket")


@pytest.fixture(params=PLACES)
def another(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], PartitionStore]:
    """Makes an empty store, each time in another place of the kind."""
    if request.param == "folder":
        numbered = (tmp_path / f"data{number}" for number in count())
        return lambda: PartitionStore(next(numbered))
    endpoint = request.getfixturevalue("endpoint")
    buckets.set_environment(monkeypatch, endpoint, tmp_path / "cache")
    return lambda: PartitionStore(buckets.new_bucket(endpoint))


@pytest.fixture
def store(another: Callable[[], PartitionStore]) -> PartitionStore:
    return another()


def stored(store: PartitionStore) -> dict[str, bytes | None]:
    """Every file with its bytes; what a crash would leave is none of them."""
    assert temporaries(store.root) == []
    return {name: store.place.read(name) for name in store.place.tree()}


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
    before = stored(store)

    def never(writer: PartitionWriter) -> None:
        raise AssertionError("the partition is up to date")

    again = PartitionStore(store.place).overwrite(SILVER, DAY, Build(build_of(1, 2).digests, never))
    assert (again.changed, again.manifest, stored(store)) == (False, written.manifest, before)


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


def test_a_reader_of_the_old_generation_ends_on_it(store: PartitionStore) -> None:
    store.overwrite(SILVER, DAY, build_of(*range(5000)))
    reading = store.batches(SILVER, DAY)
    first = next(reading).num_rows
    store.overwrite(SILVER, DAY, build_of(7))
    assert first + sum(batch.num_rows for batch in reading) == 5000


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt()], ids=repr)
def test_a_failing_build_leaves_the_old_generation(store: PartitionStore, error: BaseException) -> None:
    store.overwrite(SILVER, DAY, build_of(1))
    before = stored(store)
    with pytest.raises(type(error)):
        store.overwrite(SILVER, DAY, failing_build(error))
    assert stored(store) == before


def test_a_failing_first_build_leaves_no_partition(store: PartitionStore) -> None:
    with pytest.raises(ValueError, match="bad"):
        store.overwrite(SILVER, DAY, failing_build(ValueError("bad")))
    assert (store.keys(SILVER), store.manifest(SILVER, DAY), stored(store)) == ([], None, {})
    with pytest.raises(MissingPartition, match="silver/numbers has no partition 2024-09-01"):
        store.paths(SILVER, DAY)


def test_rows_of_another_schema_leave_the_old_generation(store: PartitionStore) -> None:
    store.overwrite(SILVER, DAY, build_of(1))
    before = stored(store)
    wrong = Build(lambda: digests_of("wrong"), lambda writer: writer.rows(rejects(1)))
    with pytest.raises(SchemaMismatch, match="'stage' is not declared"):
        store.overwrite(SILVER, DAY, wrong)
    assert stored(store) == before


def test_an_input_that_changes_during_the_build_is_built_again(store: PartitionStore) -> None:
    seen, arriving = [1], [2, 3]

    def write(writer: PartitionWriter) -> None:
        writer.rows(numbers(seen))
        if arriving:
            seen.append(arriving.pop())

    written = store.overwrite(SILVER, DAY, Build(lambda: digests_of(seen), write))
    assert (rows_of(store, SILVER), written.manifest.digests) == ([1, 3, 2], digests_of([1, 3, 2]))


def test_an_empty_partition_has_a_manifest_and_files_without_rows(store: PartitionStore) -> None:
    manifest = store.overwrite(SILVER, DAY, Build(lambda: digests_of(()), lambda writer: None)).manifest
    assert store.keys(SILVER) == [DAY]
    assert [part.rows for part in manifest.parts + manifest.rejects] == [0, 0]
    [batches, rejected] = [list(store.batches(SILVER, DAY, rejects=which)) for which in (False, True)]
    assert sum(batch.num_rows for batch in batches + rejected) == 0
    assert store.entries(SILVER, DAY).keys() == {MANIFEST_NAME, *manifest.file_names}


def test_keys_are_ascending_and_only_of_this_table(store: PartitionStore) -> None:
    for key in ("2024-09-03", "2024-09-01", "2024-09-02"):
        store.overwrite(SILVER, key, build_of(1))
    store.overwrite(Table("silver", "numbers_2", NUMBERS), "2024-09-09", build_of(1))
    assert store.keys(SILVER) == ["2024-09-01", "2024-09-02", "2024-09-03"]


def test_an_append_only_partition_is_never_overwritten(store: PartitionStore) -> None:
    store.append(BRONZE_LOG, DAY, append_of(a=[1]))
    before = stored(store)
    with pytest.raises(ImmutablePartition, match="bronze/log is append-only"):
        store.overwrite(BRONZE_LOG, DAY, build_of(2))
    assert stored(store) == before


def test_appending_what_is_held_changes_nothing(store: PartitionStore) -> None:
    store.append(BRONZE_LOG, DAY, append_of(a=[1], b=[2]))
    before = stored(store)

    def never() -> Iterable[pa.Table]:
        raise AssertionError("the part is held")

    again = store.append(BRONZE_LOG, DAY, Append({"a": never, "b": never}))
    assert (again.changed, stored(store)) == (False, before)


def test_the_order_and_grouping_of_appends_change_no_byte(another: Callable[[], PartitionStore]) -> None:
    exports = {"a": [1, 2], "b": [], "c": [3]}
    found = []
    for order in permutations(exports):
        store = another()
        for label in order:
            store.append(BRONZE_LOG, DAY, append_of(**{label: exports[label]}))
        found.append(stored(store))
    together = another()
    together.append(BRONZE_LOG, DAY, append_of(**exports))
    assert all(tree == stored(together) for tree in found)


def test_a_versioned_table_says_which_version_is_current(store: PartitionStore) -> None:
    for version in ("aa", "bb", "aa"):
        store.overwrite(gold(version), DAY, build_of(1))
        assert store.current_version("gold", "packed") == version
    assert (rows_of(store, gold("aa")), rows_of(store, gold("bb"))) == ([1], [1])


def test_a_version_whose_build_fails_does_not_become_current(store: PartitionStore) -> None:
    store.overwrite(gold("aa"), DAY, build_of(1))
    before = stored(store)
    with pytest.raises(ValueError, match="bad"):
        store.overwrite(gold("bb"), DAY, failing_build(ValueError("bad")))
    assert stored(store) == before


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


def failing_build(error: BaseException) -> Build:
    def write(writer: PartitionWriter) -> None:
        writer.rows(numbers(range(100)))
        writer.rejects(rejects(3))
        raise error

    return Build(lambda: digests_of("failing"), write)
