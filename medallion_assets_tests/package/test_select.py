"""Laws of selection: each record is taken as often as its recipe says, or left out with the first reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.package.choose import copies, select
from medallion_assets.package.choose.copies import RejectsOnce, repeated
from medallion_assets.package.choose.select import FilterFailed, copies_of
from medallion_assets.package.recipe import EVERYTHING, Selection
from medallion_assets.records import content_id
from medallion_assets.schemas import REJECTS, SFT_PAIRS
from medallion_assets.storage.parts import read_batches

Row = dict[str, Any]
SOURCES = ("a", "b", "c")
DAYS = tuple(date(2024, 9, day) for day in (1, 2, 3))
COLUMNS = ("record_id", "source", "line")


@dataclass
class Kept:
    """A writer that remembers."""

    summary: dict[str, Any] = field(default_factory=dict)
    rejected: list[Row] = field(default_factory=list)

    def rows(self, table: pa.Table) -> None:
        raise AssertionError("selecting writes no rows")

    def rejects(self, table: pa.Table) -> None:
        self.rejected += table.to_pylist()


def records(number: int, *, day: date | None = None) -> list[Row]:
    return [
        {
            "record_id": content_id(each),
            "source": SOURCES[each % 3],
            "landing_date": day or DAYS[each % 2],
            "export_sha256": "e" * 64,
            "record_number": each,
            "line": each,
            "source_id": f"{each}",
            "messages": [],
        }
        for each in range(1, number + 1)
    ]


def chosen(rows: Sequence[Row], selection: Selection) -> tuple[list[Row], list[Row]]:
    """What is taken, in order, and what is left out."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "silver.parquet"
        pq.write_table(SFT_PAIRS.table(rows), path, row_group_size=50)
        writer = Kept()
        often = copies_of([path], selection, schema=SFT_PAIRS, writer=writer)
        batches = select.taken(read_batches([path], COLUMNS), often)
        return [row for batch in batches for row in batch.to_pylist()], writer.rejected


def taken(rows: Sequence[Row], selection: Selection) -> Counter[str]:
    return Counter(row["record_id"] for row in chosen(rows, selection)[0])


MIXES = st.none() | st.dictionaries(st.sampled_from(SOURCES), st.floats(0.01, 4), min_size=1)
FILTERS = st.sampled_from([None, "line > 20", "source <> 'a'", "NULL", "source_id::INTEGER % 3 < 2"])
SELECTIONS = st.builds(
    Selection,
    mix=MIXES,
    where=FILTERS,
    first=st.none() | st.sampled_from(DAYS),
    last=st.none() | st.sampled_from(DAYS),
    held_out=st.floats(0.01, 0.99),
    takes_held_out=st.booleans(),
)
ROWS = records(60)
few = settings(max_examples=20)


@few
@given(SELECTIONS)
def test_every_record_is_taken_or_left_out_once_never_both(selection: Selection) -> None:
    rows, rejects = chosen(ROWS, selection)
    out = [row["record_id"] for row in rejects]
    assert sorted({*(row["record_id"] for row in rows), *out}) == sorted(row["record_id"] for row in ROWS)
    assert len(out) == len(set(out))
    assert not {row["record_id"] for row in rows} & set(out)


@few
@given(SELECTIONS)
def test_of_a_hold_out_pair_no_record_is_on_both_sides(selection: Selection) -> None:
    train, test = (chosen(ROWS, replace(selection, takes_held_out=side)) for side in (False, True))
    assert not {row["record_id"] for row in train[0]} & {row["record_id"] for row in test[0]}
    reasons = [{row["record_id"]: row["reason"] for row in side[1]} for side in (train, test)]
    sides = {(reasons[0].get(row["record_id"]), reasons[1].get(row["record_id"])) for row in ROWS}
    alike = {(same, same) for same in ("outside_window", "not_in_mix", "filtered")}
    ways = {(None, "not_held_out"), ("held_out", None)}
    unsampled = {("not_sampled", "not_held_out"), ("held_out", "not_sampled")}
    assert sides <= alike | ways | unsampled


@few
@given(SELECTIONS, st.randoms(use_true_random=False))
def test_neither_order_nor_company_changes_what_is_taken(selection: Selection, chance: Any) -> None:
    shuffled = ROWS.copy()
    chance.shuffle(shuffled)
    whole = taken(ROWS, selection)
    assert taken(shuffled, selection) == whole
    assert taken(shuffled[:20], selection) + taken(shuffled[20:], selection) == whole


@few
@given(st.floats(0.01, 5), st.floats(0.01, 5))
def test_raising_a_weight_only_adds(one: float, other: float) -> None:
    less, more = (taken(ROWS, Selection(mix={"a": weight})) for weight in sorted((one, other)))
    assert less <= more


@few
@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_a_larger_share_holds_out_the_same_and_more(one: float, other: float) -> None:
    few, many = (
        set(taken(ROWS, Selection(held_out=share, takes_held_out=True))) for share in sorted((one, other))
    )
    assert few <= many


@few
@given(SELECTIONS)
def test_what_is_held_out_depends_on_the_id_and_the_share_alone(selection: Selection) -> None:
    everyone = taken(ROWS, Selection(held_out=selection.held_out, takes_held_out=True))
    assert set(taken(ROWS, replace(selection, takes_held_out=True))) <= set(everyone)


@few
@given(SELECTIONS)
def test_what_is_taken_comes_in_stored_order_its_copies_together(selection: Selection) -> None:
    rows, rejects = chosen(ROWS, selection)
    for side in (rows, rejects):
        lines = [row["line"] for row in side]
        assert lines == sorted(lines)


@pytest.mark.parametrize(("weight", "least", "most"), [(1, 1, 1), (2, 2, 2), (0.3, 0, 1), (2.25, 2, 3)])
def test_a_weight_is_how_often_its_source_is_taken(weight: float, least: int, most: int) -> None:
    rows = records(3000)
    counts = taken(rows, Selection(mix={"a": weight}))
    often = [counts[row["record_id"]] for row in rows if row["source"] == "a"]
    assert {*often} == {least, most}
    assert sum(often) == pytest.approx(1000 * weight, abs=50)


def test_sources_are_sampled_apart() -> None:
    """Else a record's luck in one source would be its luck in all."""
    rows = records(3000)
    same = [{**row, "source": "b"} for row in rows]
    half = Selection(mix={"a": 0.5, "b": 0.5})
    as_a = taken([{**row, "source": "a"} for row in rows], half)
    both = set(as_a) & set(taken(same, half))
    assert len(both) == pytest.approx(750, abs=100)


def test_the_draw_is_the_same_on_every_machine_and_version() -> None:
    """Numbers that may never change: a changed one would mix what was held out into what is trained on."""
    ids = [row["line"] for row in chosen(records(40), Selection(held_out=0.1, takes_held_out=True))[0]]
    sampled = [row["line"] for row in chosen(records(40), Selection(mix={"a": 0.2, "b": 0.1}))[0]]
    assert (ids, sampled) == ([8, 30, 32, 40], [24, 36])


def test_the_draw_is_52_bits_of_a_hash_that_anyone_can_take() -> None:
    def lot(text: str) -> float:
        return int(sha256(text.encode()).hexdigest()[:13], 16) / 2**52

    held_out = taken(ROWS, Selection(held_out=0.3, takes_held_out=True))
    assert set(held_out) == {row["record_id"] for row in ROWS if lot(f"hold-out {row['record_id']}") < 0.3}
    sampled = taken(ROWS, Selection(mix={"a": 0.3}))
    mine = [row["record_id"] for row in ROWS if row["source"] == "a"]
    assert set(sampled) == {name for name in mine if lot(f"mix a {name}") < 0.3}


REASONS = {
    "outside_window": Selection(first=DAYS[2]),
    "not_in_mix": Selection(mix={"other": 0.001}),
    "filtered": Selection(where="line < 0"),
    "held_out": Selection(held_out=1 - 1e-12),
    "not_sampled": Selection(mix=dict.fromkeys(SOURCES, 1e-12)),
}


@pytest.mark.parametrize("first", range(len(REASONS)))
def test_the_first_reason_that_holds_is_the_one_told(first: int) -> None:
    """All rules at once, from this one on."""
    names = [*REASONS][first:]
    mix = {"other": 1.0} if "not_in_mix" in names else REASONS["not_sampled"].mix
    selection = Selection(
        mix=mix,
        where="line < 0" if "filtered" in names else None,
        first=DAYS[2] if "outside_window" in names else None,
        held_out=1 - 1e-12 if "held_out" in names else None,
    )
    _, rejects = chosen(records(9), selection)
    assert {row["reason"] for row in rejects} == {names[0]}
    assert len(rejects) == 9


def test_a_reject_tells_what_was_asked_and_where_the_record_came_from() -> None:
    [row] = records(1)
    _, [reject] = chosen([row], Selection(where="line > 5"))
    provenance = ("source", "landing_date", "export_sha256", "record_number", "line", "record_id")
    told = {"stage": "package", "reason": "filtered", "detail": "line > 5"}
    assert {name: value for name, value in reject.items() if value is not None} == {
        **{name: row[name] for name in provenance},
        **told,
    }


def test_a_record_on_which_the_filter_fails_is_named() -> None:
    rows = records(100)
    rows[70]["source_id"] = "seventy-one"
    with pytest.raises(FilterFailed) as caught:
        chosen(rows, Selection(where="source_id::INTEGER > 5"))
    assert caught.value.record_id == rows[70]["record_id"]
    assert str(caught.value) == (
        f"the recipe's `where` fails on record {rows[70]['record_id']} (c, landed 2024-09-02, line 71 of "
        f"export {'e' * 64}): Conversion Error: Could not convert string 'seventy-one' to INT32 "
        "when casting from source column source_id. "
        "Write what it is to be then, as with TRY(...) or TRY_CAST(... AS ...)"
    )


def test_the_filter_is_not_asked_of_what_is_left_out_before_it() -> None:
    rows = records(3)
    rows[0]["source_id"] = "one"
    _, rejects = chosen(rows, Selection(mix={"a": 1, "c": 1}, where="source_id::INTEGER > 5"))
    assert [row["reason"] for row in rejects] == ["not_in_mix", "filtered", "filtered"]


def test_without_rules_nothing_is_left_out() -> None:
    assert chosen(ROWS, EVERYTHING) == ([{name: row[name] for name in COLUMNS} for row in ROWS], [])


def test_repeated_records_come_in_bounded_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "READ_BATCH_ROWS", 7)
    batch = pa.RecordBatch.from_pydict({"n": [*range(5)]})
    counts = np.array([3, 0, 20, 1, 1], np.int32)
    found = list(repeated(iter([batch]), counts))
    assert [n for each in found for n in each.column("n").to_pylist()] == [0] * 3 + [2] * 20 + [3, 4]
    assert max(each.num_rows for each in found) == 7


def test_of_copies_that_are_all_rejected_one_reject_is_kept() -> None:
    rows = [{**row, "stage": "package", "reason": "r", "detail": "d"} for row in records(3)]
    writer = Kept()
    once = RejectsOnce(writer)
    for some in ([rows[0]], [rows[0], rows[0], rows[1]], [], [rows[1], rows[2]]):
        once.rejects(REJECTS.table(some))
    assert [row["line"] for row in writer.rejected] == [1, 2, 3]
