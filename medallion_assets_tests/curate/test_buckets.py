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
    BYTES_PER_ROW,
    KEY_BAND,
    SEAL_BYTES,
    SPANS_IN_DAYS,
    Buckets,
    BucketsFile,
    members,
    stretches,
    sweep,
)
from medallion_assets.curate.deposits import Deposit, deposits
from medallion_assets.curate.minhash import BANDS
from medallion_assets.storage.parts import DamagedPart
from medallion_assets.storage.store import PartitionStore
from medallion_assets_tests.curate.fingerprinted import Row, filed, put, said, table_of

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


def made(stretch: tuple[Deposit, ...], folder: Path) -> Buckets:
    return BucketsFile.of(stretch, folder).buckets()


def bytes_of(buckets: Buckets) -> list[bytes]:
    return [each.tobytes() for each in (buckets.keys, buckets.signatures, buckets.sizes, buckets.bands)]


def rows_of(stretch: tuple[Deposit, ...]) -> list[Row]:
    return [row for each in stretch for row in filed(each.path)]


def by_rule(stretch: tuple[Deposit, ...], band: int) -> list[tuple[int, int]]:
    """Value and place, ascending."""
    if band == KEY_BAND:
        values = [int.from_bytes(row["dedup_key"][:4], "little") for row in rows_of(stretch)]
    else:
        here = slice(4 * band, 4 * band + 4)
        values = [int.from_bytes(row["minhash"][here], "little") for row in rows_of(stretch)]
    return sorted((value, place) for place, value in enumerate(values))


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
        assert any(days[0] // span == days[-1] // span for span in (*SPANS_IN_DAYS, 1))


@given(DEPOSITS)
def test_what_a_stretch_of_several_days_holds_no_later_day_can_join(given_: list[Deposit]) -> None:
    today = day_of(given_[-1]) if given_ else 0
    for stretch in stretches(given_):
        first, last = day_of(stretch[0]), day_of(stretch[-1])
        span = next(span for span in (1, *SPANS_IN_DAYS[::-1]) if first // span == last // span)
        assert span == 1 or (first // span + 1) * span <= today + 1


@given(st.integers(1, 1000))
@settings(max_examples=20)
def test_a_history_of_days_is_few_files_and_a_day_adds_few(days: int) -> None:
    before, after = (
        {tuple(each.sha256 for each in stretch) for stretch in stretches([*map(deposit, range(count))])}
        for count in (days - 1, days)
    )
    assert len(after) <= days // 256 + 1 + 2 * 3 * len(SPANS_IN_DAYS)
    assert len(after - before) <= len(SPANS_IN_DAYS) + 1


def test_spans_of_many_rows_stay_apart() -> None:
    most = buckets_module.MOST_ROWS
    many = [deposit(number, rows=most // 2 + 1) for number in range(600)]
    assert [len(stretch) for stretch in stretches(many)] == [1] * 600


def test_each_band_has_its_values_in_order_with_their_places(
    stored: tuple[Deposit, ...], tmp_path: Path
) -> None:
    found = made(stored, tmp_path / "kept").bands
    assert found.shape == (BANDS + 1, 2, sum(each.rows for each in stored))
    for band in range(BANDS + 1):
        assert list(zip(*found[band].tolist(), strict=True)) == by_rule(stored, band)


def test_beside_them_lies_what_the_fingerprints_say(stored: tuple[Deposit, ...], tmp_path: Path) -> None:
    found, rows = made(stored, tmp_path / "kept"), rows_of(stored)
    assert [each.tobytes() for each in found.keys] == [row["dedup_key"] for row in rows]
    assert [each.tobytes() for each in found.signatures] == [row["minhash"] for row in rows]
    assert found.sizes.tolist() == [len(row["shingles"]) for row in rows]


def test_what_is_deleted_is_made_again_byte_for_byte(stored: tuple[Deposit, ...], tmp_path: Path) -> None:
    before = bytes_of(made(stored, tmp_path / "kept"))
    [path] = (tmp_path / "kept").iterdir()
    content = path.read_bytes()
    path.unlink()
    assert bytes_of(made(stored, tmp_path / "kept")) == before
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda whole: b"",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:-BYTES_PER_ROW],
        lambda whole: whole + b"x",
    ],
)
def test_a_file_of_another_size_is_made_again(
    spoilt: Callable[[bytes], bytes], stored: tuple[Deposit, ...], tmp_path: Path
) -> None:
    before = bytes_of(made(stored, tmp_path / "kept"))
    [path] = (tmp_path / "kept").iterdir()
    whole = path.read_bytes()
    path.unlink()
    path.write_bytes(spoilt(whole))
    assert bytes_of(made(stored, tmp_path / "kept")) == before
    assert path.read_bytes() == whole


@pytest.mark.parametrize("place", [0, BYTES_PER_ROW, -SEAL_BYTES - 1, -1])
def test_a_damaged_file_is_swept_and_made_again(
    place: int, stored: tuple[Deposit, ...], tmp_path: Path
) -> None:
    before = bytes_of(made(stored, tmp_path / "kept"))
    [path] = (tmp_path / "kept").iterdir()
    assert sweep(tmp_path / "kept") == []
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)
    assert sweep(tmp_path / "kept") == [path]
    assert bytes_of(made(stored, tmp_path / "kept")) == before


def test_buckets_are_not_made_of_damaged_fingerprints(stored: tuple[Deposit, ...], tmp_path: Path) -> None:
    path = stored[1].path
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedPart, match="medallion verify --rebuild"):
        made(stored, tmp_path / "kept")
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_file_cut_short_in_place_is_not_looked_at_again(
    stored: tuple[Deposit, ...], tmp_path: Path
) -> None:
    """The process that has it mapped would be killed for touching what is gone."""
    before = bytes_of(made(stored, tmp_path / "kept"))
    [path] = (tmp_path / "kept").iterdir()
    os.truncate(path, 0)
    assert bytes_of(made(stored, tmp_path / "kept")) == before


def test_other_contents_have_other_files(stored: tuple[Deposit, ...], tmp_path: Path) -> None:
    whole, last = stored, stored[1:]
    found = [bytes_of(made(stretch, tmp_path / "kept")) for stretch in (whole, last, whole)]
    assert len(list((tmp_path / "kept").iterdir())) == 2
    assert found[0] == found[2] != found[1]


def test_makers_at_the_same_time_make_one_file(stored: tuple[Deposit, ...], tmp_path: Path) -> None:
    together, found = threading.Barrier(4), []

    def make() -> None:
        together.wait()
        found.append(bytes_of(made(stored, tmp_path / "kept")))

    makers = [threading.Thread(target=make) for _ in range(4)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert len(list((tmp_path / "kept").iterdir())) == 1
    assert found == [bytes_of(made(stored, tmp_path / "kept"))] * 4


def test_a_full_disk_leaves_nothing_behind(
    stored: tuple[Deposit, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "kept").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            made(stored, tmp_path / "kept")
    assert list((tmp_path / "kept").iterdir()) == []
    assert made(stored, tmp_path / "kept").bands.shape[0] == BANDS + 1


def test_only_what_nobody_asks_for_is_swept(stored: tuple[Deposit, ...], tmp_path: Path) -> None:
    for stretch in (stored, stored[1:], stored[2:]):
        made(stretch, tmp_path / "kept")
    for path in (tmp_path / "kept").iterdir():
        os.utime(path, (0, 0))
    made(stored, tmp_path / "kept")
    removed = sweep(tmp_path / "kept")
    assert len(removed) == 2
    assert [path.stat().st_size for path in (tmp_path / "kept").iterdir()] == [
        BYTES_PER_ROW * sum(each.rows for each in stored) + SEAL_BYTES
    ]
    assert sweep(tmp_path / "nothing yet") == []


@given(st.lists(st.integers(0, 3), min_size=1, max_size=20), st.sets(st.integers(0, 4)), st.integers(0, 6))
def test_members_are_the_first_of_each_value(held: list[int], asked: set[int], most: int) -> None:
    greatest = 2**32 - 5  # of all values, which must not be found less
    ordered = sorted((value, place) for place, value in enumerate(held))
    band = np.array(ordered, np.int64).T + np.array([[greatest], [0]])
    values = np.array(sorted(asked), np.int64) + greatest
    which, counts, places = members(
        band.astype(np.uint32), values.astype(np.uint32), np.full(len(values), most)
    )
    expected = {
        number: [place for place, value in enumerate(held) if value == each][:most]
        for number, each in enumerate(sorted(asked))
        if each in held
    }
    assert which.tolist() == list(expected)
    assert counts.tolist() == [len(each) for each in expected.values()]
    assert places.tolist() == [place for each in expected.values() for place in each]
