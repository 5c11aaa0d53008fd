"""Laws of a machine's copies of a bucket: never trusted for what they are not, and never needed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medallion_assets.storage.manifest import DamagedManifest, Part
from medallion_assets.storage.parts import DamagedPart
from medallion_assets.storage.place import GRACE_SECONDS
from medallion_assets.storage.s3 import cache, objects
from medallion_assets.storage.s3.bucket import Bucket, bucket_at
from medallion_assets.storage.s3.requests import Forked, MissingExtra, NoBucket, Refused, Unreachable
from medallion_assets.storage.still import StillStore
from medallion_assets.storage.store import PartitionStore
from medallion_assets_tests.storage import buckets
from medallion_assets_tests.storage.samples import (
    BRONZE_LOG,
    DAY,
    SILVER,
    append_of,
    build_of,
    gold,
    rows_of,
    sha256_of,
)

MIB = 1 << 20


def test_without_its_copies_a_machine_reads_the_same(store: PartitionStore) -> None:
    store.append(BRONZE_LOG, DAY, append_of(a=[1], b=[2]))
    store.overwrite(gold("aa"), DAY, build_of(3))
    shutil.rmtree(store.root)
    assert (rows_of(store, BRONZE_LOG), rows_of(store, gold("aa"))) == ([1, 2], [3])
    assert not store.append(BRONZE_LOG, DAY, append_of(a=[1], b=[2])).changed


@pytest.mark.parametrize("left", [0, 10, -1])
def test_a_copy_of_another_size_is_fetched_again(store: PartitionStore, left: int) -> None:
    store.overwrite(SILVER, DAY, build_of(1, 2))
    [path] = store.paths(SILVER, DAY)
    os.truncate(path, left if left >= 0 else path.stat().st_size - 1)
    assert rows_of(store, SILVER) == [1, 2]


def test_a_copy_of_a_manifest_that_is_damaged_is_fetched_again(store: PartitionStore) -> None:
    store.overwrite(SILVER, DAY, build_of(1))
    [path] = store.folder(SILVER, DAY).glob(".manifest-*")
    for content in (b"", path.read_bytes()[:-9], path.read_bytes().replace(b"rows", b"cols")):
        path.write_bytes(content)
        assert rows_of(store, SILVER) == [1]


@pytest.mark.parametrize("faults", [["short"], ["short", "500", "short"], ["lost"]], ids="-".join)
def test_an_answer_that_breaks_off_is_gone_on_with(
    store: PartitionStore, proxy: buckets.Proxy, faults: list[str]
) -> None:
    store.overwrite(SILVER, DAY, build_of(*range(5000)))
    for ends in (".parquet", ".json"):
        shutil.rmtree(store.root)
        proxy.fail(*faults, method="GET", ends=ends)
        assert rows_of(store, SILVER) == list(range(5000))
    assert len(proxy.failed) == 2 * len(faults)


def test_other_bytes_in_the_bucket_are_never_read(store: PartitionStore, url: str) -> None:
    part = store.overwrite(SILVER, DAY, build_of(1)).manifest.parts[0]
    name = f"silver/numbers/dt={DAY}/{part.name}"
    content = bucket_at(url).read(name) or b""
    bucket_at(url).replace(name, content[:-8] + bytes(8))
    shutil.rmtree(store.root)
    with pytest.raises(DamagedPart, match=rf"{url}/{name} is damaged: the bucket holds other bytes"):
        store.paths(SILVER, DAY)
    assert store.wrong(SILVER, DAY, part) == "has other bytes than were written"
    assert list(store.folder(SILVER, DAY).glob("*.parquet")) == []


def test_a_damaged_manifest_is_reported_by_its_url(store: PartitionStore, url: str) -> None:
    store.overwrite(SILVER, DAY, build_of(1))
    name = f"silver/numbers/dt={DAY}/_manifest.json"
    bucket_at(url).replace(name, (bucket_at(url).read(name) or b"").replace(b'"rows": 1', b'"rows": 7'))
    with pytest.raises(DamagedManifest, match=f"{url}/{name} can't be read"):
        rows_of(store, SILVER)


def test_what_another_machine_wrote_is_seen_at_once(store: PartitionStore, elsewhere: PartitionStore) -> None:
    for value in range(3):
        elsewhere.overwrite(SILVER, DAY, build_of(value))
        assert rows_of(store, SILVER) == [value]
        assert [manifest.rows for _, manifest in StillStore(store).manifests(SILVER, upto=DAY)] == [1]


def test_room_is_made_of_what_was_used_longest_ago(store: PartitionStore) -> None:
    days = [f"2024-09-0{number}" for number in (1, 2, 3)]
    for day in days:
        store.overwrite(SILVER, day, build_of(int(day[-1])))
    long_ago = time.time() - 2 * GRACE_SECONDS
    for copy in cache.copies(store.root):
        os.utime(copy.path, (long_ago, long_ago))
    used = store.paths(SILVER, days[0])
    cache.let_go(store.root, keep_bytes=0)
    left = [copy.path for copy in cache.copies(store.root)]
    assert [path for path in left if not path.name.startswith(".")] == used
    assert [rows_of(store, SILVER, day) for day in days] == [[1], [2], [3]]


def test_unused_copies_go_with_the_nightly_sweep(store: PartitionStore) -> None:
    store.overwrite(SILVER, DAY, build_of(1))
    [path] = store.paths(SILVER, DAY)
    store.sweep(SILVER)
    assert path.exists()
    long_ago = time.time() - 2 * cache.UNUSED_SECONDS
    os.utime(path, (long_ago, long_ago))
    assert (store.sweep(SILVER), path.exists()) == ([], False)
    assert rows_of(store, SILVER) == [1]


def test_a_table_is_looked_at_by_one_listing(store: PartitionStore, proxy: buckets.Proxy) -> None:
    """A survey of a thousand days asks no more for a day that nobody has changed."""
    days = [f"2024-09-{number:02}" for number in range(1, 11)]
    for day in days:
        store.overwrite(SILVER, day, build_of(1))
    shutil.rmtree(store.root)
    for requests in ({"LIST": 1, "GET": len(days)}, {"LIST": 1}):
        proxy.counts.clear()
        still = StillStore(store)
        assert [still.manifest(SILVER, day) for day in days].count(None) == 0
        assert len(still.manifests(SILVER, upto="9")) == len(still.keys(SILVER)) == len(days)
        assert dict(proxy.counts) == requests


@pytest.mark.parametrize("end", ["", "/", "/a b/ü%41/"])
def test_a_store_may_lie_at_any_prefix(store: PartitionStore, url: str, end: str) -> None:
    place = PartitionStore(url.removesuffix("/team/store") + end)
    place.overwrite(gold("aa"), DAY, build_of(1))
    shutil.rmtree(place.root)
    assert (place.keys(gold("aa")), rows_of(place, gold("aa"))) == ([DAY], [1])
    assert (place.tables("gold"), place.current_version("gold", "packed")) == (["packed"], "aa")
    assert place.shown(gold("aa"), DAY) == f"{place.place.shown()}/gold/packed/v=aa/dt={DAY}"


def test_a_large_file_is_sent_in_pieces(
    store: PartitionStore, proxy: buckets.Proxy, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "WHOLE_PUT_BYTES", 10 * MIB)
    path = store.root / "bronze" / "log" / "_raw" / "large"
    path.parent.mkdir(parents=True)
    path.write_bytes(os.urandom(11 * MIB))
    part = Part("large", sha256_of(path), 0, 11 * MIB)
    proxy.fail("lost", "500", method="PUT", ends="large")
    store.place.put("bronze/log/_raw/large")
    assert proxy.counts["POST"] >= 2
    assert store.place.wrong("bronze/log/_raw/large", sha256=part.sha256, size=part.size) is None
    path.unlink()
    assert store.place.fetch([("bronze/log/_raw/large", part)]) == [path]


def test_what_can_not_be_reached_or_may_not_be_asked_says_so(
    store: PartitionStore, proxy: buckets.Proxy
) -> None:
    proxy.rule = lambda method, path: "500"
    with pytest.raises(Unreachable, match=r"s3://data.* failed .*AWS_ENDPOINT_URL"):
        store.keys(SILVER)
    proxy.rule = lambda method, path: "403"
    with pytest.raises(Refused, match=r"was refused: .*AWS_ACCESS_KEY_ID"):
        store.overwrite(SILVER, DAY, build_of(1))
    proxy.rule = lambda method, path: None
    with pytest.raises(NoBucket, match="there is no such bucket: no-such-one"):
        PartitionStore("s3://no-such-one/store").keys(SILVER)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    monkeypatch.setenv("MEDALLION_CACHE", str(tmp_path))
    with pytest.raises(MissingExtra, match=r"pip install 'medallion_assets\[s3\]'"):
        PartitionStore("s3://data/none").keys(SILVER)


def test_a_store_in_a_folder_knows_of_no_bucket(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from medallion_assets_tests.storage.samples import *\n"
        f"store = PartitionStore(Path({str(tmp_path)!r}))\n"
        "store.overwrite(SILVER, DAY, build_of(1)); store.sweep(SILVER)\n"
        "assert rows_of(store, SILVER) == [1]\n"
        "assert not [name for name in sys.modules if 'obstore' in name or '.s3' in name]"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_forked_process_is_told_instead_of_left_hanging(store: PartitionStore) -> None:
    store.overwrite(SILVER, DAY, build_of(1))
    child = os.fork()
    if child == 0:
        try:
            store.keys(SILVER)
        except Forked:
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_a_place_on_a_bucket_can_be_sent_to_another_process(store: PartitionStore) -> None:
    import pickle

    store.overwrite(SILVER, DAY, build_of(1))
    again = pickle.loads(pickle.dumps(store))
    assert isinstance(again.place, Bucket)
    assert (again.root, rows_of(again, SILVER)) == (store.root, [1])
