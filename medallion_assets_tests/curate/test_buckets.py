"""Laws of buckets: who has which value, in files that are made of the fingerprints alone and made again."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.curate import buckets as buckets_module
from medallion_assets.curate.buckets import (
    KEY_BAND,
    buckets_of,
    key_values,
    members,
    stretches,
    sweep,
)
from medallion_assets.curate.history import Deposit, History, deposits
from medallion_assets.curate.minhash import BANDS, bands
from medallion_assets.storage.store import PartitionStore
from medallion_assets.text.alphabet import Array
from medallion_assets_tests.curate.fingerprinted import put, said, table_of

FIRST = date(2024, 9, 1)
SOURCES = tuple((name, table_of(name)) for name in ("one", "two"))


def deposit(day: int, source: str = "one", rows: int = 1) -> Deposit:
    """Of a numbered day, without a file."""
    landed = (FIRST + timedelta(day)).isoformat()
    return Deposit(landed, source, table_of(source), Path(landed), f"{source} {landed}", rows)


def day_of(each: Deposit) -> int:
    return date.fromisoformat(each.day).toordinal()


@pytest.fixture
def stored(tmp_path: Path) -> tuple[Deposit, ...]:
    """Three days of two sources, with repeats."""
    store = PartitionStore(tmp_path / "data")
    for number in range(3):
        day = (FIRST + timedelta(number)).isoformat()
        for source, table in SOURCES:
            texts = [f"some words of {source} {place % 3}" for place in range(5 + number)]
            put(store, table, day, [said(text, place) for place, text in enumerate(texts)])
    return deposits(store, SOURCES, upto="2024-09-03")


def by_rule(stretch: tuple[Deposit, ...], band: int) -> list[int]:
    history = History(stretch)
    positions = np.arange(len(history))
    keys, signatures = history.keys(positions), history.signatures(positions)
    values = key_values(keys) if band == KEY_BAND else bands(signatures)[:, band]
    return sorted((value << 32) | place for place, value in enumerate(values.tolist()))


DEPOSITS = st.lists(
    st.tuples(st.integers(0, 600), st.sampled_from(["one", "two"])), unique=True, max_size=30
).map(lambda places: [deposit(*place) for place in sorted(places)])


@given(DEPOSITS)
def test_stretches_are_the_deposits_in_order_and_each_within_a_span(given_: list[Deposit]) -> None:
    found = list(stretches(given_))
    assert [each for stretch in found for each in stretch] == given_
    assert all(stretch for stretch in found)
    for one, other in pairwise(found):
        assert one[-1].day < other[0].day
    for stretch in found:
        days = [day_of(each) for each in stretch]
        assert any(days[0] // span == days[-1] // span for span in (256, 16, 1))


@given(DEPOSITS)
def test_what_a_stretch_of_several_days_holds_no_later_day_can_join(given_: list[Deposit]) -> None:
    today = day_of(given_[-1]) if given_ else 0
    for stretch in stretches(given_):
        first, last = day_of(stretch[0]), day_of(stretch[-1])
        span = next(span for span in (1, 16, 256) if first // span == last // span)
        assert span == 1 or (first // span + 1) * span <= today + 1


@given(st.integers(1, 1000))
@settings(max_examples=20)
def test_a_history_of_days_is_few_files_and_a_day_adds_few(days: int) -> None:
    before, after = (
        {tuple(each.sha256 for each in stretch) for stretch in stretches([*map(deposit, range(count))])}
        for count in (days - 1, days)
    )
    assert len(after) <= days // 256 + 1 + 2 * 16 + 2 * 16
    assert len(after - before) <= 3


def test_spans_of_many_rows_stay_apart() -> None:
    most = buckets_module.MOST_ROWS
    many = [deposit(number, rows=most // 2 + 1) for number in range(600)]
    assert [len(stretch) for stretch in stretches(many)] == [1] * 600


def test_each_band_has_its_values_in_order_with_their_places(
    stored: tuple[Deposit, ...], tmp_path: Path
) -> None:
    found = buckets_of(stored, tmp_path / "kept")
    assert found.shape == (BANDS + 1, sum(each.rows for each in stored))
    assert [found[band].tolist() for band in range(BANDS + 1)] == [
        by_rule(stored, band) for band in range(BANDS + 1)
    ]


def test_what_is_deleted_is_made_again_byte_for_byte(stored: tuple[Deposit, ...], tmp_path: Path) -> None:
    made = buckets_of(stored, tmp_path / "kept").tolist()
    [path] = (tmp_path / "kept").iterdir()
    content = path.read_bytes()
    path.unlink()
    assert buckets_of(stored, tmp_path / "kept").tolist() == made
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda whole: b"",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:-136],
        lambda whole: whole + b"x",
    ],
)
def test_a_file_of_another_size_is_made_again(
    spoilt: Callable[[bytes], bytes], stored: tuple[Deposit, ...], tmp_path: Path
) -> None:
    made = buckets_of(stored, tmp_path / "kept").tolist()
    [path] = (tmp_path / "kept").iterdir()
    whole = path.read_bytes()
    path.unlink()
    path.write_bytes(spoilt(whole))
    buckets_module._mapped.cache_clear()
    assert buckets_of(stored, tmp_path / "kept").tolist() == made
    assert path.read_bytes() == whole


def test_other_contents_have_other_files(stored: tuple[Deposit, ...], tmp_path: Path) -> None:
    whole, last = stored, stored[1:]
    found = [buckets_of(stretch, tmp_path / "kept") for stretch in (whole, last, whole)]
    assert len(list((tmp_path / "kept").iterdir())) == 2
    assert found[0].tolist() == found[2].tolist() != found[1].tolist()


def test_makers_at_the_same_time_make_one_file(stored: tuple[Deposit, ...], tmp_path: Path) -> None:
    together, found = threading.Barrier(4), []

    def make() -> None:
        together.wait()
        found.append(buckets_of(stored, tmp_path / "kept").tolist())

    makers = [threading.Thread(target=make) for _ in range(4)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert len(list((tmp_path / "kept").iterdir())) == 1
    assert found == [buckets_of(stored, tmp_path / "kept").tolist()] * 4


def test_a_full_disk_leaves_nothing_behind(
    stored: tuple[Deposit, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "kept").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            buckets_of(stored, tmp_path / "kept")
    assert list((tmp_path / "kept").iterdir()) == []
    assert buckets_of(stored, tmp_path / "kept").shape[0] == BANDS + 1


def test_only_what_nobody_asks_for_is_swept(stored: tuple[Deposit, ...], tmp_path: Path) -> None:
    for stretch in (stored, stored[1:], stored[2:]):
        buckets_of(stretch, tmp_path / "kept")
    for path in (tmp_path / "kept").iterdir():
        os.utime(path, (0, 0))
    asked = buckets_of(stored, tmp_path / "kept")
    removed = sweep(tmp_path / "kept")
    assert len(removed) == 2
    assert [path.stat().st_size for path in (tmp_path / "kept").iterdir()] == [asked.nbytes]
    assert sweep(tmp_path / "nothing yet") == []


@given(st.lists(st.integers(0, 3), max_size=20), st.sets(st.integers(0, 4)), st.integers(0, 6))
def test_members_are_the_first_of_each_value(held: list[int], asked: set[int], most: int) -> None:
    values = np.array(sorted(asked), np.uint32) + np.uint32(
        2**32 - 5
    )  # the greatest values are no less found
    kept: Array = np.sort(
        (np.array(held, np.uint64) + np.uint64(2**32 - 5) << np.uint64(32))
        | np.arange(len(held), dtype=np.uint64)
    )
    counts, places = members(kept, values, np.full(len(values), most))
    expected = [[place for place, value in enumerate(held) if value == each][:most] for each in sorted(asked)]
    assert counts.tolist() == [len(each) for each in expected]
    assert places.tolist() == [place for each in expected for place in each]
