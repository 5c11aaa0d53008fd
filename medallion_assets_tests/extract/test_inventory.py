"""Laws of the inventory: exports are their bytes, keep their first date, and nothing is skipped unsaid."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, tzinfo
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.extract import inventory
from medallion_assets.extract.inventory import IN_PROGRESS_SUFFIXES, Inventory, date_in_path, scan
from medallion_assets_tests.extract.landing import LONG_AGO, Landing, sha256_of

DAY = date(2024, 9, 1)
EMPTY = Inventory((), (), (), ())


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    return Landing(tmp_path)


def arrive_on(monkeypatch: pytest.MonkeyPatch, day: date) -> None:
    """Sets the clock of the inventory to the last second of `day` in UTC."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            assert tz is UTC
            return datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=UTC)

    monkeypatch.setattr(inventory, "datetime", Clock)


@pytest.mark.parametrize(
    ("file", "day"),
    [
        ("dt=2024-09-01/a.jsonl", DAY),
        ("2024-09-01/a.jsonl", DAY),
        ("x/2024-09-01/y/a.jsonl", DAY),
        ("2020-01-01/dt=2024-09-01/a.jsonl", DAY),
        ("dt=2024-09-01/batch_20200101.jsonl", DAY),
        ("batch_20240901.jsonl", DAY),
        ("batch_2024-09-01.jsonl", DAY),
        ("20240901", DAY),
        ("2024-09-01T10:00:00Z.jsonl.gz", DAY),
        ("20240901T100000.jsonl", DAY),
        ("v2_20240901_part3.jsonl", DAY),
        ("12345678_20240901.jsonl", DAY),
        ("batch-0001-2024-09-01.jsonl", DAY),
        ("2024-20240901.jsonl", DAY),
        ("run-1234-56-2024-09-01.jsonl", DAY),
        ("dt=2024-13-99/batch_20240901.jsonl", DAY),
        ("batch_20241399.jsonl", None),
        ("batch_20230229.jsonl", None),
        ("batch_00010101.jsonl", None),
        ("batch_22000101.jsonl", None),
        ("batch_202409011.jsonl", None),
        ("1725148800.jsonl", None),
        ("20240901/a.jsonl", None),
        ("day=2024-09-01/a.jsonl", None),
        ("x2024-09-01/a.jsonl", None),
        ("batch_٢٠٢٤٠٩٠١.jsonl", None),
        ("a.jsonl", None),
    ],
)
def test_a_path_spells_its_landing_date(file: str, day: date | None) -> None:
    assert date_in_path(file) == day


@given(day=st.dates(date(1970, 1, 1), date(2099, 12, 31)), prefix=st.text("ab_-.", max_size=4))
@settings(max_examples=50)
def test_every_date_is_read_from_a_folder_and_from_a_name(day: date, prefix: str) -> None:
    spelled = [f"dt={day}/{prefix}", f"{day}/{prefix}", f"{prefix}{day}.jsonl", f"{prefix}{day:%Y%m%d}"]
    assert [date_in_path(file) for file in spelled] == [day] * 4


def test_a_missing_landing_folder_is_an_empty_one(tmp_path: Path) -> None:
    assert scan(tmp_path / "missing", tmp_path / "ledger") == EMPTY
    assert list(tmp_path.iterdir()) == []


def test_exports_come_by_date_then_digest(landing: Landing) -> None:
    files = {f"dt=2024-09-0{n % 3 + 1}/{n}.jsonl": b"%d" % n for n in range(9)}
    for file, content in files.items():
        landing.drop(file, content)
    days = {file: date(2024, 9, n % 3 + 1) for n, file in enumerate(files)}
    expected = [landing.export(file, content, days[file]) for file, content in files.items()]
    found = landing.scan()
    assert found.exports == tuple(sorted(expected, key=lambda e: (e.landing_date, e.sha256)))
    assert found.by_date() == {
        day: [export for export in found.exports if export.landing_date == day] for day in days.values()
    }


def test_an_export_without_a_date_keeps_the_utc_day_of_its_arrival(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing.drop("a.jsonl", b"1")
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    for today in (DAY, date(2025, 1, 1), date(2020, 1, 1)):
        arrive_on(monkeypatch, today)
        assert landing.scan() == Inventory((landing.export("a.jsonl", b"1", DAY),), (), (), ())


def test_an_export_never_moves_to_another_date(landing: Landing) -> None:
    landing.drop("dt=2024-09-01/a.jsonl", b"1")
    landing.scan()
    (landing.folder / "dt=2024-09-01").rename(landing.folder / "dt=2024-08-01")
    assert landing.scan() == Inventory(
        (landing.export("dt=2024-09-01/a.jsonl", b"1", DAY, at="dt=2024-08-01/a.jsonl"),),
        ("dt=2024-08-01/a.jsonl",),
        (),
        (),
    )


def test_a_lost_cache_changes_nothing(landing: Landing) -> None:
    landing.drop("a_20240901.jsonl", b"1")
    first = landing.scan()
    for content in (b"", b"{", b"[]", b'{"a_20240901.jsonl": 1}'):
        (landing.ledger / "_cache.json").write_bytes(content)
        assert landing.scan() == first


def test_a_scan_that_finds_nothing_new_writes_nothing(landing: Landing) -> None:
    landing.drop("a_20240901.jsonl", b"1")
    first = landing.scan()
    before = {path: path.stat() for path in landing.ledger.iterdir()}
    assert landing.scan() == first
    assert {path: path.stat() for path in landing.ledger.iterdir()} == before


def test_the_same_bytes_under_two_names_are_one_export_and_a_redelivery(landing: Landing) -> None:
    for name in ("a_20240901.jsonl", "b_20240901.jsonl"):
        landing.drop(name, b"1")
    expected = landing.export("a_20240901.jsonl", b"1", DAY)
    assert landing.scan() == Inventory((expected,), ("b_20240901.jsonl",), (), ())
    assert len(landing.records()) == 2  # the claim, and a note of the other delivery


def test_a_redelivery_of_an_earlier_date_moves_nothing(landing: Landing) -> None:
    landing.drop("a_20240901.jsonl", b"1")
    landing.scan()
    landing.drop("b_20240801.jsonl", b"1")
    expected = landing.export("a_20240901.jsonl", b"1", DAY, at="b_20240801.jsonl")
    assert landing.scan() == Inventory((expected,), ("b_20240801.jsonl",), (), ())


def test_a_redelivery_serves_when_the_first_file_is_gone(landing: Landing) -> None:
    first = landing.drop("a_20240901.jsonl", b"1")
    landing.scan()
    first.unlink()
    landing.drop("z.jsonl", b"1")
    expected = landing.export("a_20240901.jsonl", b"1", DAY, at="z.jsonl")
    assert landing.scan() == Inventory((expected,), ("z.jsonl",), (), ())


def test_other_bytes_under_an_old_name_are_a_new_export(landing: Landing) -> None:
    landing.drop("a_20240901.jsonl", b"1")
    landing.scan()
    before = landing.records()
    landing.drop("a_20240901.jsonl", b"2")
    assert landing.scan() == Inventory((landing.export("a_20240901.jsonl", b"2", DAY),), (), (), ())
    assert set(before.items()) < set(landing.records().items())
    assert set(landing.records()) == {f"{sha256_of(content)}.json" for content in (b"1", b"2")}


NAMES = [
    f"{folder}{name}" for folder in ("", "b/", "dt=2024-09-02/") for name in ("a.jsonl", "x_20240901.jsonl")
]


@given(
    files=st.dictionaries(st.sampled_from(NAMES), st.sampled_from([b"1", b"2"]), min_size=1),
    seed=st.integers(),
)
@settings(max_examples=60)
def test_the_order_in_which_a_folder_is_listed_changes_nothing(files: dict[str, bytes], seed: int) -> None:
    shuffled = random.Random(seed)
    found = []
    with tempfile.TemporaryDirectory() as root, pytest.MonkeyPatch.context() as patched:
        arrive_on(patched, date(2024, 9, 5))
        landing = Landing(Path(root))
        for file, content in files.items():
            landing.drop(file, content)
        for walk in (os.walk, lambda *given, **named: shuffle_walk(shuffled, *given, **named)):
            patched.setattr(os, "walk", walk)
            found.append((landing.scan(), landing.records()))
            shutil.rmtree(landing.ledger)
    assert found[0] == found[1]
    assert {export.sha256 for export in found[0][0].exports} == {*map(sha256_of, files.values())}


WALK = os.walk


def shuffle_walk(
    shuffled: random.Random, *given: Any, **named: Any
) -> Iterator[tuple[str, list[str], list[str]]]:
    for folder, names, entries in WALK(*given, **named):
        shuffled.shuffle(names)
        shuffled.shuffle(entries)
        yield folder, names, entries


@pytest.mark.parametrize("files", [["z/dt=2024-09-01/x", "a.jsonl"], ["z_20240901", "a_20240902"]], ids=repr)
def test_the_earliest_date_wins_among_files_first_seen_together(landing: Landing, files: list[str]) -> None:
    for file in files:
        landing.drop(file, b"1")
    expected = landing.export(files[0], b"1", DAY)
    assert landing.scan() == Inventory((expected,), (files[1],), (), ())


def test_a_file_that_is_open_for_writing_is_not_taken(landing: Landing) -> None:
    path = landing.drop("a_20240901.jsonl", b"1\n")
    with path.open("ab") as writer:
        for wait in (False, True):
            assert landing.scan(wait=wait) == Inventory((), (), ("a_20240901.jsonl",), ())
        writer.write(b"2\n")
    os.utime(path, (LONG_AGO, LONG_AGO))
    assert landing.scan() == Inventory((landing.export(path.name, b"1\n2\n", DAY),), (), (), ())


def test_a_reader_does_not_make_a_file_unsettled(landing: Landing) -> None:
    path = landing.drop("a_20240901.jsonl", b"1\n")
    with path.open("rb"):
        assert len(landing.scan().exports) == 1


def test_a_file_touched_just_now_is_waited_for_if_asked(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory, "SETTLE_SECONDS", 0.2)
    path = landing.folder / "a_20240901.jsonl"
    path.write_bytes(b"1")
    os.utime(path)
    assert landing.scan() == Inventory((), (), (path.name,), ())
    os.utime(path)
    assert landing.scan(wait=True) == Inventory((landing.export(path.name, b"1", DAY),), (), (), ())


def test_a_time_stamp_from_the_future_delays_nothing(landing: Landing) -> None:
    path = landing.drop("a_20240901.jsonl", b"1")
    os.utime(path, (2**33, 2**33))
    assert len(landing.scan().exports) == 1


def before_digest(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Lets something happen between the first look at a file and its hashing."""
    digest = hashlib.file_digest

    def overtaken(*given: Any) -> Any:
        happens()
        return digest(*given)

    monkeypatch.setattr(hashlib, "file_digest", overtaken)


def test_a_file_that_changes_while_it_is_hashed_is_not_taken(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = landing.drop("a_20240901.jsonl", b"11")
    with monkeypatch.context() as patched:
        before_digest(patched, lambda: path.write_bytes(b"22"))
        assert landing.scan() == Inventory((), (), (path.name,), ())
    os.utime(path, (LONG_AGO, LONG_AGO))
    assert landing.scan().exports == (landing.export(path.name, b"22", DAY),)


def test_a_file_that_vanishes_while_it_is_hashed_is_not_taken(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = landing.drop("a_20240901.jsonl", b"1")
    before_digest(monkeypatch, path.unlink)
    assert landing.scan() == Inventory((), (), (path.name,), ())


def test_a_change_that_keeps_size_and_time_is_seen(landing: Landing) -> None:
    path = landing.drop("a_20240901.jsonl", b"1")
    landing.scan()
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # the kernel's clock ticks every few milliseconds
        landing.drop("a_20240901.jsonl", b"2")  # in place, and with its old time stamp
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    assert landing.scan().exports == (landing.export(path.name, b"2", DAY),)


def test_an_untouched_file_is_hashed_once(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    landing.drop("a_20240901.jsonl", b"1")
    first = landing.scan()
    before_digest(monkeypatch, lambda: pytest.fail("it was hashed again"))
    assert landing.scan() == first


@pytest.mark.parametrize(
    "name",
    [f"a.jsonl{suffix}" for suffix in IN_PROGRESS_SUFFIXES] + [".a.jsonl", ".nfs0001", ".hidden/a.jsonl"],
)
def test_hidden_and_unfinished_names_have_not_landed(landing: Landing, name: str) -> None:
    landing.drop(name, b"1")
    assert landing.scan() == EMPTY


def test_links_and_special_files_are_refused_with_a_reason(landing: Landing, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "a.jsonl").write_bytes(b"outside")
    (landing.folder / "link").symlink_to(tmp_path / "secret" / "a.jsonl")
    (landing.folder / "linked_folder").symlink_to(tmp_path / "secret")
    (landing.folder / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(landing.folder / "pipe")
    link = "is a symbolic link; move or copy the file itself here"
    refused = [("dangling", link), ("link", link), ("linked_folder", link), ("pipe", "is not a regular file")]
    assert landing.scan() == Inventory((), (), (), tuple(refused))


def test_names_that_are_not_utf8_are_refused_and_stop_nothing(landing: Landing) -> None:
    landing.drop("good_20240901.jsonl", b"1")
    landing.drop(os.fsdecode(b"caf\xe9.jsonl"), b"2")
    landing.drop(os.fsdecode(b"caf\xe9/a.jsonl"), b"3")
    found = landing.scan()
    assert found.exports == (landing.export("good_20240901.jsonl", b"1", DAY),)
    assert found.refused == (
        ("caf\\xe9.jsonl", "its name is not UTF-8"),
        ("caf\\xe9/a.jsonl", "its name is not UTF-8"),
    )


@pytest.mark.parametrize(
    "name", ["a'b", 'a"b', "a\nb", "a;DROP TABLE x", "%41", "*", "ä🙂", "a\\b", "$(x)", " "]
)
def test_hostile_names_are_names(landing: Landing, name: str) -> None:
    landing.drop(f"dt=2024-09-01/{name}", b"1")
    for _ in range(2):
        assert landing.scan().exports == (landing.export(f"dt=2024-09-01/{name}", b"1", DAY),)


@contextmanager
def unprivileged() -> Iterator[Path]:
    """A folder for a user to whom permissions apply; they do not apply to root."""
    nobody = 65534
    with tempfile.TemporaryDirectory() as root:
        is_root = os.getuid() == 0
        if is_root:
            os.chown(root, nobody, nobody)
            os.setresuid(nobody, nobody, 0)
        try:
            yield Path(root)
        finally:
            if is_root:
                os.setresuid(0, 0, 0)


def test_what_permissions_hide_is_refused_and_stops_nothing() -> None:
    with unprivileged() as root:
        landing = Landing(root)
        landing.drop("good_20240901.jsonl", b"1")
        landing.drop("locked.jsonl", b"2").chmod(0)
        landing.drop("folder/a.jsonl", b"3").parent.chmod(0)
        found = landing.scan()
        (landing.folder / "folder").chmod(0o700)
    assert found == Inventory(
        (landing.export("good_20240901.jsonl", b"1", DAY),),
        (),
        (),
        (
            ("locked.jsonl", "can't be read: permission denied"),
            ("folder", "can't be listed: Permission denied"),
        ),
    )


def test_scans_at_the_same_time_agree(landing: Landing) -> None:
    for number in range(20):
        landing.drop(f"{number % 7}_{number}.jsonl", b"%d" % (number % 5))
    found: list[Inventory] = []
    threads = [threading.Thread(target=lambda: found.append(landing.scan())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [landing.scan()] * 4
