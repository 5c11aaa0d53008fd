"""Laws of clearing up on a bucket, where no lock tells who is at work and nothing can be touched."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from medallion_assets.storage.manifest import Manifest
from medallion_assets.storage.place import GRACE_SECONDS
from medallion_assets.storage.s3 import requests, sweeping
from medallion_assets.storage.s3.bucket import bucket_at
from medallion_assets.storage.s3.requests import Unreachable
from medallion_assets.storage.store import PartitionStore
from medallion_assets_tests.storage import buckets
from medallion_assets_tests.storage.samples import BRONZE_LOG, DAY, SILVER, append_of, build_of, rows_of

YEAR_SECONDS = 365 * 24 * 3600
Later = Callable[[float], None]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """Has the bucket's clock say so many seconds more."""
    now_ns = sweeping.now_ns

    def shift(seconds: float) -> None:
        more = int(seconds * requests.NANOSECONDS)
        monkeypatch.setattr(sweeping, "now_ns", lambda objects: now_ns(objects) + more)

    return shift


def names(*manifests: Manifest) -> set[str]:
    return {name for manifest in manifests for name in manifest.file_names}


def parts(store: PartitionStore) -> set[str]:
    return {name for name in store.entries(SILVER, DAY) if not name.endswith(".json")}


def test_superseded_parts_go_when_the_grace_period_is_over(store: PartitionStore, later: Later) -> None:
    old = store.overwrite(SILVER, DAY, build_of(1)).manifest
    new = store.overwrite(SILVER, DAY, build_of(2)).manifest
    later(GRACE_SECONDS - 60)
    assert (store.sweep(SILVER), parts(store)) == ([], names(old, new))
    later(GRACE_SECONDS + 60)
    removed = {path.name for path in store.sweep(SILVER)}
    assert (removed, parts(store)) == (names(old) - names(new), names(new))
    assert rows_of(store, SILVER) == [2]


def test_grace_counts_from_the_replacement_not_from_the_writing(store: PartitionStore, later: Later) -> None:
    """A part may be years old when it is superseded."""
    old = store.overwrite(SILVER, DAY, build_of(1)).manifest
    [before] = [entry for name, entry in store.entries(SILVER, DAY).items() if name in names(old)][:1]
    store.overwrite(SILVER, DAY, build_of(2))
    manifest = store.stamps(SILVER)[DAY].written_ns
    age = (manifest - before.written_ns) / requests.NANOSECONDS
    later(GRACE_SECONDS - 60 + age)
    assert store.sweep(SILVER) == []


def test_what_is_in_force_stays_for_ever(store: PartitionStore, later: Later, url: str) -> None:
    store.append(BRONZE_LOG, DAY, append_of(a=[1], b=[2]))
    store.overwrite(SILVER, DAY, build_of(1, rejected=2))
    before = buckets.objects(url)
    later(YEAR_SECONDS)
    assert store.sweep(SILVER) + store.sweep(BRONZE_LOG) == []
    assert buckets.objects(url) == before


def test_an_orphan_is_taken_for_a_writers_until_it_is_old(
    store: PartitionStore, proxy: buckets.Proxy, later: Later
) -> None:
    store.overwrite(SILVER, DAY, build_of(1))
    proxy.fail(*["500"] * 99, method="PUT", ends=".json")
    with pytest.raises(Unreachable):
        store.overwrite(SILVER, DAY, build_of(2))
    there = parts(store)
    later(GRACE_SECONDS - 60)
    assert store.sweep(SILVER) == []
    later(GRACE_SECONDS + 60)
    assert {path.name for path in store.sweep(SILVER)} == there - names(store.manifest(SILVER, DAY))  # type: ignore[arg-type]
    assert rows_of(store, SILVER) == [1]


def test_a_writer_that_was_held_up_puts_its_parts_there_again(
    store: PartitionStore, elsewhere: PartitionStore, proxy: buckets.Proxy, later: Later
) -> None:
    store.overwrite(SILVER, DAY, build_of(1))
    swept: list[object] = []

    def rule(method: str, path: str) -> None:
        if method == "PUT" and path.endswith("_manifest.json") and not swept:
            later(YEAR_SECONDS)
            swept.extend(elsewhere.sweep(SILVER))

    proxy.rule = rule
    store.overwrite(SILVER, DAY, build_of(2))
    assert len(swept) == 1
    assert rows_of(elsewhere, SILVER) == [2]


def test_what_is_named_again_while_it_is_swept_is_put_back(
    store: PartitionStore, elsewhere: PartitionStore, proxy: buckets.Proxy, later: Later, url: str
) -> None:
    """Equal content has the same name, so an old part may be in force again at any moment."""
    for value in (1, 2):
        store.overwrite(SILVER, DAY, build_of(value))
    later(YEAR_SECONDS)
    again: list[bool] = []

    def rule(method: str, path: str) -> None:
        if method == "DELETE" and not again:
            again.append(elsewhere.overwrite(SILVER, DAY, build_of(1)).changed)

    proxy.rule = rule
    assert (store.sweep(SILVER), again) == ([], [True])
    assert rows_of(elsewhere, SILVER) == [1]
    assert not [each.name for each in bucket_at(url)._objects.listed(".aside")]


def test_what_a_killed_sweep_had_set_aside_is_put_back(store: PartitionStore, later: Later, url: str) -> None:
    manifest = store.overwrite(SILVER, DAY, build_of(1)).manifest
    name = f"silver/numbers/dt={DAY}/{manifest.parts[0].name}"
    inner = bucket_at(url)._objects
    inner.copy(name, f".aside/{name}")
    inner.delete([name])
    store.sweep(SILVER)  # too young: another machine may be at it
    assert f".aside/{name}" in {each.name for each in inner.listed("")}
    later(GRACE_SECONDS + 60)
    store.sweep(SILVER)
    assert {name, f".aside/{name}"} & {each.name for each in inner.listed("")} == {name}


@pytest.mark.parametrize("fault", ["500", "lost", "503"])
def test_a_sweep_goes_on_after_what_a_request_ran_into(
    store: PartitionStore, proxy: buckets.Proxy, later: Later, fault: str
) -> None:
    for value in (1, 2):
        new = store.overwrite(SILVER, DAY, build_of(value)).manifest
    later(GRACE_SECONDS + 60)
    proxy.fail(fault, method="DELETE", ends="")
    store.sweep(SILVER)
    assert parts(store) == names(new)
