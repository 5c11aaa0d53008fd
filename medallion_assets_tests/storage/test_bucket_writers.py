"""Laws of writers on a bucket: no lock orders those on several machines, and nothing of theirs is lost."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from medallion_assets.extract.ledger import Ledger
from medallion_assets.storage.manifest import MANIFEST_NAME
from medallion_assets.storage.s3.bucket import bucket_at
from medallion_assets.storage.s3.requests import Unconditional, Unreachable
from medallion_assets.storage.store import Build, PartitionStore, PartitionWriter
from medallion_assets_tests.storage import buckets
from medallion_assets_tests.storage.samples import (
    BRONZE_LOG,
    DAY,
    SILVER,
    append_of,
    build_of,
    digests_of,
    exit_code_of,
    gold,
    numbers,
    rows_of,
    start,
)

# What a write may run into, and whether the server has done it then.
FAULTS = [["500"], ["503", "503"], ["lost"], ["500 after"], ["lost", "503"], ["503", "lost"]]
WRITERS = 8


def at_the_first_manifest(proxy: buckets.Proxy, act: Callable[[], object]) -> None:
    """Somebody else acts just before this machine's first manifest arrives."""
    acts = [act]

    def rule(method: str, path: str) -> None:
        if method == "PUT" and path.endswith(MANIFEST_NAME) and acts:
            acts.pop()()

    proxy.rule = rule


def all_there(store: PartitionStore, url: str) -> bool:
    """Whether each part that a manifest names is stored."""
    stored = buckets.objects(url)
    tables = (SILVER, BRONZE_LOG, gold("aa"))
    found = [(table, key, each) for table in tables for key, each in store.manifests(table, upto="9")]
    return all(
        f"{store.below(table, f'dt={key}').shown()}/{part.name}".removeprefix(f"{url}/") in stored
        for table, key, manifest in found
        for part in manifest.files
    )


@pytest.mark.parametrize("faults", FAULTS, ids="-".join)
def test_an_overwrite_goes_on_after_what_a_request_ran_into(
    store: PartitionStore, proxy: buckets.Proxy, url: str, faults: list[str]
) -> None:
    store.overwrite(SILVER, DAY, build_of(1))
    for what, ends in (("part", "parquet"), ("manifest", MANIFEST_NAME)):
        proxy.fail(*faults, method="PUT", ends=ends)
        written = store.overwrite(SILVER, DAY, build_of(2, len(what)))
        assert (written.changed, written.manifest) == (True, store.manifest(SILVER, DAY))
        assert rows_of(store, SILVER) == [2, len(what)]
    assert len(proxy.failed) == 2 * len(faults)
    assert all_there(store, url)


@pytest.mark.parametrize("faults", FAULTS, ids="-".join)
def test_an_append_goes_on_and_adds_once(
    store: PartitionStore, proxy: buckets.Proxy, url: str, faults: list[str]
) -> None:
    for label in ("b", "a"):
        proxy.fail(*faults, method="PUT", ends=MANIFEST_NAME)
        assert store.append(BRONZE_LOG, DAY, append_of(**{label: [ord(label)]})).changed
    assert rows_of(store, BRONZE_LOG) == [ord("a"), ord("b")]
    assert all_there(store, url)


def test_a_commit_whose_fate_is_unknown_is_found_by_the_next_run(
    store: PartitionStore, proxy: buckets.Proxy
) -> None:
    """The manifest is written, the answer lost, and nothing can be asked after that."""
    store.overwrite(SILVER, DAY, build_of(1))
    gone: list[str] = []

    def rule(method: str, path: str) -> str | None:
        if method == "PUT" and path.endswith(MANIFEST_NAME) and not gone:
            gone.append(path)
            return "lost"
        return "500" if gone else None

    proxy.rule = rule
    with pytest.raises(Unreachable, match="Run it again when it is"):
        store.overwrite(SILVER, DAY, build_of(2))
    proxy.rule = lambda method, path: None

    def never(writer: PartitionWriter) -> None:
        raise AssertionError("it was written")

    assert not store.overwrite(SILVER, DAY, Build(build_of(2).digests, never)).changed
    assert rows_of(store, SILVER) == [2]


@pytest.mark.parametrize("faults", [["500"] * 99, ["lost"] * 99], ids=["before", "after"])
def test_a_part_that_never_arrives_leaves_the_old_generation(
    store: PartitionStore, proxy: buckets.Proxy, faults: list[str]
) -> None:
    store.overwrite(SILVER, DAY, build_of(1))
    proxy.fail(*faults, method="PUT", ends=".parquet")
    with pytest.raises(Unreachable, match=r"writing s3://.*parquet"):
        store.overwrite(SILVER, DAY, build_of(2))
    proxy.rule = lambda method, path: None
    assert rows_of(store, SILVER) == [1]
    assert store.overwrite(SILVER, DAY, build_of(2)).changed


def test_who_comes_second_with_the_same_finds_it_done(
    store: PartitionStore, elsewhere: PartitionStore, proxy: buckets.Proxy
) -> None:
    at_the_first_manifest(proxy, lambda: elsewhere.overwrite(SILVER, DAY, build_of(1, 2)))
    written = store.overwrite(SILVER, DAY, build_of(1, 2))
    assert written.manifest == elsewhere.manifest(SILVER, DAY)
    assert rows_of(store, SILVER) == [1, 2]


def test_who_comes_second_with_other_rules_puts_its_own_in_place(
    store: PartitionStore, elsewhere: PartitionStore, proxy: buckets.Proxy
) -> None:
    """As on one machine, where it would have waited: the rules of the run that ends last are in force."""
    built: list[int] = []

    def write(writer: PartitionWriter) -> None:
        built.append(2)
        writer.rows(numbers([2]))

    at_the_first_manifest(proxy, lambda: elsewhere.overwrite(SILVER, DAY, build_of(1)))
    assert store.overwrite(SILVER, DAY, Build(lambda: digests_of(2), write)).changed
    assert (rows_of(store, SILVER), rows_of(elsewhere, SILVER), built) == ([2], [2], [2])


def test_an_input_that_another_machine_changes_meanwhile_is_built_again(
    store: PartitionStore, elsewhere: PartitionStore, proxy: buckets.Proxy
) -> None:
    source = gold("aa")
    elsewhere.overwrite(source, DAY, build_of(1))

    def digests() -> object:
        found = store.manifest(source, DAY)
        return digests_of(found.content_hash if found else None)

    def write(writer: PartitionWriter) -> None:
        writer.rows(numbers(rows_of(store, source)))

    at_the_first_manifest(proxy, lambda: elsewhere.overwrite(source, DAY, build_of(5)))
    store.overwrite(SILVER, DAY, Build(digests, write))  # type: ignore[arg-type]
    assert rows_of(store, SILVER) == [5]


def test_an_append_keeps_what_came_between(
    store: PartitionStore, elsewhere: PartitionStore, proxy: buckets.Proxy
) -> None:
    at_the_first_manifest(proxy, lambda: elsewhere.append(BRONZE_LOG, DAY, append_of(b=[2])))
    written = store.append(BRONZE_LOG, DAY, append_of(a=[1], c=[3]))
    assert [part.export for part in written.manifest.parts] == ["a", "b", "c"]
    assert rows_of(elsewhere, BRONZE_LOG) == [1, 2, 3]


def test_of_many_machines_none_loses_anothers_work(
    store: PartitionStore, url: str, endpoint: str, tmp_path: Path
) -> None:
    machines = [
        buckets.on_another_machine(url, endpoint, tmp_path / f"machine{number}") for number in range(WRITERS)
    ]
    together = Barrier(WRITERS)

    def work(number: int) -> None:
        together.wait()
        machines[number].append(BRONZE_LOG, DAY, append_of(**{f"x{number}": [number]}))
        machines[number].overwrite(SILVER, DAY, build_of(*range(50)))

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(work, range(WRITERS)))
    assert sorted(rows_of(store, BRONZE_LOG)) == list(range(WRITERS))
    assert rows_of(store, SILVER) == list(range(50))
    assert all_there(store, url)


def create_alone(environment: dict[str, str], url: str, winners: Path, number: int) -> None:
    os.environ.update(environment)
    if bucket_at(url).write_once("first.json", str(number).encode()) == str(number).encode():
        (winners / str(number)).touch()


def test_of_many_processes_exactly_one_is_first(url: str, endpoint: str, tmp_path: Path) -> None:
    (winners := tmp_path / "winners").mkdir()
    children = [
        start(create_alone, buckets.environment(endpoint, tmp_path / f"{number}"), url, winners, number)
        for number in range(WRITERS)
    ]
    assert [exit_code_of(child) for child in children] == [0] * WRITERS
    assert len(list(winners.iterdir())) == 1


def test_of_records_that_are_written_once_the_first_counts_everywhere(
    store: PartitionStore, elsewhere: PartitionStore, proxy: buckets.Proxy
) -> None:
    ours, theirs = (each.below(BRONZE_LOG, "_exports") for each in (store, elsewhere))
    proxy.rule = lambda method, path: (
        theirs.write_once("x.json", b"theirs") and None if method == "PUT" else None
    )
    assert ours.write_once("x.json", b"ours") == b"theirs"
    assert (ours.recorded("x.json"), theirs.recorded("x.json")) == (b"theirs", b"theirs")


@pytest.mark.parametrize("fault", ["lost", "500 after", "503"])
def test_a_record_whose_answer_was_lost_is_on_record(
    store: PartitionStore, proxy: buckets.Proxy, fault: str
) -> None:
    records = store.below(BRONZE_LOG, "_exports")
    proxy.fail(fault, method="PUT", ends="x.json")
    assert records.write_once("x.json", b"ours") == b"ours"
    assert Ledger(records).exports() == []


def test_a_server_that_ignores_conditions_is_not_written_to(
    store: PartitionStore, proxy: buckets.Proxy, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "DROPPED_HEADERS", ("if-none-match", "if-match"))
    with pytest.raises(Unconditional, match="ignores the condition of a write"):
        store.overwrite(SILVER, DAY, build_of(1))
    assert store.keys(SILVER) == []
