"""Laws of duplicates: the verdict of a model that compares everything, whatever was computed when.

The model is exact and the search is not: texts are made so that they are either far above the threshold or
far below, where a miss has a probability below 1e-7; what lies between is judged over many pairs.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.curate import buckets as buckets_module
from medallion_assets.curate import dedup as dedup_module
from medallion_assets.curate.dedup import twins_of_today
from medallion_assets.curate.deposits import deposits
from medallion_assets.curate.stage import UnitStage
from medallion_assets.schemas import RL_ROLLOUTS
from medallion_assets.stage import partitions_to_settle
from medallion_assets.storage.store import PartitionStore, Table
from medallion_assets_tests.curate.fingerprinted import Row, filed, put, said, table_of
from medallion_assets_tests.curate.rollouts import landed, rollout

FIRST = date(2024, 9, 1)
# Their rank is this order, which is not the order of their names.
SOURCES = tuple((name, table_of(name)) for name in ("zeta", "alpha"))
THRESHOLD = 0.8
WORDS = 200
# day and source (a number each) to rows.
Landings = dict[tuple[int, int], list[Row]]


@dataclass(frozen=True)
class Verdict:
    """Why a record goes: its twin's place, how alike they are, and whether their keys are equal."""

    day: str
    source: str
    row: int
    similarity: float
    same_key: bool


Verdicts = dict[tuple[str, str, int], Verdict]


def day_name(number: int) -> str:
    return (FIRST + timedelta(number)).isoformat()


def text(family: int, *, edit: int | None = None) -> str:
    """200 words of a family's own; an edited text has another. 0.95 like the family, 0.90 like kin."""
    words = [f"f{family}w{place}" for place in range(WORDS)]
    if edit is not None:
        words[edit] = f"edited{edit}"
    return " ".join(words)


RECORDS = st.builds(
    lambda family, edit, number: said(text(family, edit=edit), number),
    st.integers(0, 2),
    st.none() | st.integers(10, WORDS - 10),
    st.integers(0, 2),
)
LANDINGS = st.dictionaries(
    st.tuples(st.integers(0, 20), st.integers(0, 1)), st.lists(RECORDS, max_size=4), min_size=1, max_size=6
)


def land(store: PartitionStore, landings: Landings) -> list[str]:
    """The days on which something landed."""
    for (day, source), rows in landings.items():
        put(store, SOURCES[source][1], day_name(day), rows)
    return sorted({day_name(day) for day, _ in landings})


def found(store: PartitionStore, days: list[str], *, threshold: float | None = THRESHOLD) -> Verdicts:
    """Day by day in this order, over one folder of buckets."""
    verdicts: Verdicts = {}
    for day in days:
        seen = deposits(store, SOURCES, upto=day)
        twins = twins_of_today(seen, day, threshold=threshold, folder=store.root / ".buckets")
        for source, rows in twins.items():
            for row, twin in rows.items():
                other = (twin.deposit.day, twin.deposit.source, twin.row)
                verdicts[day, source, row] = Verdict(*other, twin.similarity, twin.same_key)
    return verdicts


def by_rule(store: PartitionStore, *, threshold: float | None = THRESHOLD) -> Verdicts:
    """Every record against every earlier one."""
    order = [
        ((each.day, each.source, row), record["dedup_key"], frozenset(record["shingles"]))
        for each in deposits(store, SOURCES, upto="9999-12-31")
        for row, record in enumerate(filed(each.path))
    ]
    verdicts: Verdicts = {}
    for number, (place, key, shingles) in enumerate(order):
        before = order[:number]
        equal = [twin for twin, other, _ in before if other == key]
        alike = [(jaccard(shingles, others), twin) for twin, _, others in before]
        best = max((similarity for similarity, _ in alike), default=0.0)
        if equal:
            verdicts[place] = Verdict(*equal[0], 1.0, True)
        elif threshold is not None and best >= threshold:
            verdicts[place] = Verdict(*next(twin for each, twin in alike if each == best), best, False)
    return verdicts


def jaccard(some: frozenset[int], others: frozenset[int]) -> float:
    common = len(some & others)
    return common / max(len(some) + len(others) - common, 1)


@pytest.fixture
def store(tmp_path: Path) -> PartitionStore:
    return PartitionStore(tmp_path)


@given(LANDINGS, st.randoms(use_true_random=False))
@settings(max_examples=25)
def test_verdicts_are_the_models_in_whatever_order_days_are_judged(landings: Landings, order: Any) -> None:
    with TemporaryDirectory() as root:
        store = PartitionStore(Path(root))
        days = land(store, landings)
        order.shuffle(days)
        assert found(store, days) == by_rule(store)


@given(LANDINGS)
@settings(max_examples=5)
def test_without_a_threshold_only_equal_records_go(landings: Landings) -> None:
    with TemporaryDirectory() as root:
        store = PartitionStore(Path(root))
        assert found(store, land(store, landings), threshold=None) == by_rule(store, threshold=None)


@given(LANDINGS, st.randoms(use_true_random=False))
@settings(max_examples=8)
def test_a_unit_settled_after_any_order_of_landing_is_the_one_range(landings: Landings, order: Any) -> None:
    stage = UnitStage("sft_pairs", SOURCES, near_threshold=THRESHOLD)
    arrivals = list(landings.items())
    order.shuffle(arrivals)
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        at_once, settled = PartitionStore(Path(one)), PartitionStore(Path(other))
        for day in land(at_once, landings):
            at_once.overwrite(stage.table, day, stage.build(at_once, day))
        for place, rows in arrivals:
            [day] = land(settled, {place: rows})
            for stale in [day, *partitions_to_settle(stage, settled, [day])]:
                settled.overwrite(stage.table, stale, stage.build(settled, stale))
        assert manifests(settled, stage.table) == manifests(at_once, stage.table)


def manifests(store: PartitionStore, table: Table) -> dict[str, Any]:
    return {day: store.manifest(table, day) for day in store.keys(table)}


def between(count: int) -> Iterator[Row]:
    """Records and edited copies of them, from hardly to wholly like them."""
    chance = random.Random(0)
    for family in range(count):
        words = text(family).split()
        yield said(" ".join(words), 2 * family)
        start, length = chance.randrange(WORDS // 2), chance.randrange(45)
        words[start : start + length] = [f"other{place}" for place in range(length)]
        yield said(" ".join(words), 2 * family + 1)


def test_around_the_threshold_nothing_goes_below_it_and_hardly_anything_stays_above(
    store: PartitionStore,
) -> None:
    days = land(store, {(0, 0): list(between(200))})
    verdicts, expected = found(store, days), by_rule(store)
    assert {place: expected.get(place) for place in verdicts} == verdicts
    assert 50 < len(expected) < 150
    assert len(verdicts) >= 0.99 * len(expected)


def test_the_threshold_itself_is_enough(store: PartitionStore) -> None:
    """Of 20 runs each, two that end in two other words share 18."""
    one = [f"w{place}" for place in range(24)]
    other = [*one[:-2], "a", "b"]
    days = land(store, {(0, 0): [said(" ".join(one), 1), said(" ".join(other), 2)]})
    similarity = 18 / 22
    within, beyond = found(store, days, threshold=similarity), found(store, days, threshold=similarity + 1e-9)
    assert within == {(days[0], "zeta", 1): Verdict(days[0], "zeta", 0, similarity, False)}
    assert beyond == {}


def test_the_twin_is_the_most_alike_and_the_earliest_of_those(store: PartitionStore) -> None:
    kin = [text(0, edit=edit) for edit in (20, 60, 100)]
    landings = {
        (0, 1): [said(kin[0], 1), said(kin[1], 2)],
        (1, 0): [said(kin[1], 3), said(kin[2], 4)],
        (1, 1): [said(kin[1], 5)],
    }
    days = land(store, landings)
    assert found(store, days)[days[1], "zeta", 0] == Verdict(days[0], "alpha", 1, 1.0, False)
    assert found(store, days)[days[1], "zeta", 1] == Verdict(days[0], "alpha", 0, 186 / 206, False)
    assert found(store, days)[days[1], "alpha", 0] == Verdict(days[0], "alpha", 1, 1.0, False)


def test_an_equal_key_counts_before_any_likeness(store: PartitionStore) -> None:
    days = land(store, {(0, 0): [said("quite another text", 1) | {"record_id": "ab" * 16}, said(text(0), 2)]})
    days += land(store, {(1, 0): [said(text(0), 3) | {"record_id": "ab" * 16}]})
    assert found(store, days[1:]) == {(days[1], "zeta", 0): Verdict(days[0], "zeta", 0, 1.0, True)}


def test_keys_that_begin_alike_are_not_equal(store: PartitionStore) -> None:
    rows = [said(f"text {n}", n) | {"record_id": "ab" * 15 + f"{n:02x}"} for n in range(4)]
    assert found(store, land(store, {(0, 0): rows})) == {}


def test_a_record_that_repeats_a_duplicate_goes_too(store: PartitionStore) -> None:
    """Else a verdict would depend on verdicts, and one late landing could turn all later ones over."""
    words = text(0).split()
    landings = {(day, 0): [said(" ".join(words[: WORDS - 10 * day]), day)] for day in range(5)}
    days = land(store, landings)
    twins = {day: verdict.day for (day, _, _), verdict in found(store, days, threshold=0.93).items()}
    assert twins == {later: earlier for earlier, later in pairwise(days)}


def test_texts_without_words_are_like_nothing(store: PartitionStore) -> None:
    empty = [said(each, number) for number, each in enumerate(["", "...", "", "\n"])]
    assert found(store, land(store, {(0, 0): empty, (1, 0): empty[:0]})) == {}


def test_short_texts_are_like_those_of_the_same_words_alone(store: PartitionStore) -> None:
    texts = ["yes", "Yes!", "no", "yes yes", "no no no"]
    days = land(store, {(0, 0): [said(each, number) for number, each in enumerate(texts)]})
    assert found(store, days) == {(days[0], "zeta", 1): Verdict(days[0], "zeta", 0, 1.0, False)}


def test_rollouts_are_known_by_run_step_and_sample_alone(store: PartitionStore) -> None:
    table = Table("silver", "runs_conformed", RL_ROLLOUTS, fingerprinted=True)
    same = [
        rollout(sample, 1.0, answer="the same long answer to the same long question") for sample in (1, 2)
    ]
    again = rollout(2, 0.0, answer="another")
    put(store, table, day_name(0), [landed(record, number) for number, record in enumerate([*same, again])])
    seen = deposits(store, [("runs", table)], upto=day_name(0))
    twins = twins_of_today(seen, day_name(0), threshold=THRESHOLD, folder=store.root / ".buckets")
    assert {row: (twin.row, twin.same_key) for row, twin in twins["runs"].items()} == {2: (1, True)}


def templated(count: int) -> list[Row]:
    """All alike: one template and its edits, each of which comes back after many others."""
    chance = random.Random(1)
    edits = [edit for edit in chance.sample(range(10, WORDS - 10), count // 2) for _ in range(2)]
    chance.shuffle(edits)
    return [said(text(0, edit=edit), number) for number, edit in enumerate(edits)]


@pytest.mark.parametrize("cap", [{"MOST_OF_A_BUCKET": 7}, {"MOST_COMPARED": 1}])
def test_beyond_a_cap_one_day_and_many_in_any_order_agree(
    cap: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, most in cap.items():
        monkeypatch.setattr(dedup_module, name, most)
    rows = templated(60)
    whole = PartitionStore(tmp_path / "whole")
    days = land(whole, {(0, 0): rows})
    assert found(whole, days) != by_rule(whole)  # or the cap was not met
    expected = positions_of(found(whole, days), [(day_name(0), "zeta", number) for number in range(60)])
    assert len(expected) == 59
    chance = random.Random(2)
    for sizes in ([1] * 60, [20, 1, 30, 9], [59, 1]):
        store = PartitionStore(tmp_path / f"{len(sizes)}")
        left = iter(rows)
        # A gap of days now and then, so that stretches of all sizes come about.
        landings = {(7 * day, 0): list(islice(left, size)) for day, size in enumerate(sizes)}
        days = land(store, landings)
        places = [
            (day_name(day), "zeta", row) for (day, _), each in landings.items() for row in range(len(each))
        ]
        chance.shuffle(days)
        assert positions_of(found(store, days), places) == expected


def test_beyond_the_cap_the_likeliest_are_compared(
    store: PartitionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever else the template has made before, a text that comes back meets itself.

    Of four, since the signature of another may agree in every slot too.
    """
    monkeypatch.setattr(dedup_module, "MOST_COMPARED", 4)
    verdicts = found(store, land(store, {(0, 0): templated(60)}))
    assert [verdict.similarity for verdict in verdicts.values()].count(1.0) == 30


def positions_of(verdicts: Verdicts, places: list[tuple[str, str, int]]) -> dict[int, tuple[int, float]]:
    """By position in the order of all records, the twin's and how alike they are."""
    number = {place: position for position, place in enumerate(places)}
    return {
        number[place]: (number[twin.day, twin.source, twin.row], twin.similarity)
        for place, twin in verdicts.items()
    }


@pytest.mark.parametrize("capped", [False, True])
def test_the_size_of_passes_and_files_changes_no_verdict(
    capped: bool, store: PartitionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    if capped:
        monkeypatch.setattr(dedup_module, "MOST_OF_A_BUCKET", 7)
        monkeypatch.setattr(dedup_module, "MOST_COMPARED", 2)
    rows = [*templated(30), *between(20)]
    days = land(store, {(day, day % 2): rows[10 * day : 10 * day + 10] for day in range(7)})
    expected = found(store, days)
    assert len(expected) > 29
    for records, pairs, shingles, most_rows in ((1, 1, 1, 0), (3, 10, 500, 15), (1000, 50, 10_000, 10**6)):
        monkeypatch.setattr(dedup_module, "PASS_RECORDS", records)
        monkeypatch.setattr(dedup_module, "PASS_PAIRS", pairs)
        monkeypatch.setattr(dedup_module, "PASS_SHINGLES", shingles)
        monkeypatch.setattr(buckets_module, "MOST_ROWS", most_rows)
        assert found(store, days) == expected


def test_sources_rank_before_places_within_a_day(store: PartitionStore) -> None:
    days = land(store, {(0, 1): [said(text(0), 1)], (0, 0): [said(text(1), 2), said(text(0, edit=50), 3)]})
    twin = Verdict(days[0], "zeta", 1, 191 / 201, False)
    assert found(store, days) == {(days[0], "alpha", 0): twin}


def test_a_day_of_nothing_has_no_duplicates(store: PartitionStore) -> None:
    land(store, {(0, 0): [said("words")], (1, 0): []})
    assert found(store, [day_name(1), day_name(2)]) == {}
