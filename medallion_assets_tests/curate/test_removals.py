"""Laws of removals: whoever goes is told why, with the twin or the match, and everyone else stays."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.curate.dedup import Twin
from medallion_assets.curate.deposits import deposits
from medallion_assets.curate.removals import contaminated, duplicates, split
from medallion_assets.schemas import CONTAMINATION, REJECTS, RL_ROLLOUTS, SFT_PAIRS
from medallion_assets.storage.manifest import Digests
from medallion_assets.storage.store import Build, PartitionStore, Table
from medallion_assets_tests.curate.fingerprinted import Row, filed, put, said, table_of
from medallion_assets_tests.curate.rollouts import landed, rollout

DAY = "2024-09-01"
VERDICTS = Table("silver", "sft_pairs_contamination", CONTAMINATION)
NO_TWIN = {"twin_record_id": None, "twin_source": None, "twin_landing_date": None, "similarity": None}
NOT_RAW = {"raw": None, "raw_bytes": None}


@pytest.fixture
def store(tmp_path: Path) -> PartitionStore:
    return PartitionStore(tmp_path)


def provenance(row: Row) -> Row:
    names = ("source", "landing_date", "export_sha256", "record_number", "line", "record_id")
    return {name: row[name] for name in names}


def removed(row: Row, repeated: Mapping[int, Any], given_away: Mapping[str, Any]) -> Row:
    """The reject of a row that lies at place 0."""
    [batch] = SFT_PAIRS.table([row]).to_batches()
    rows, rejects = split(batch, 0, repeated=repeated, given_away=given_away)
    assert rows.num_rows == 0
    [reject] = rejects.to_pylist()
    return dict(reject)


def twin_of(store: PartitionStore, table: Table, row: int, similarity: float, *, same_key: bool) -> Twin:
    [deposit] = deposits(store, [("feed", table)], upto=DAY)
    key = filed(deposit.path)[row]["dedup_key"]
    return Twin(deposit, row, key, similarity, same_key)


def verdict(row: Row, eval_set: str, coverage: float, **other: Any) -> Row:
    found = {
        "eval_set": eval_set,
        "item_id": "1f" * 16,
        "item": 2,
        "field": "question",
        "matched_by": "ngrams",
    }
    return (
        provenance(row) | {"row": 0, "coverage": coverage, "matching_text": "how many ducks"} | found | other
    )


def put_verdicts(store: PartitionStore, verdicts: list[Row]) -> None:
    rows = CONTAMINATION.table(verdicts)
    store.overwrite(VERDICTS, DAY, Build(lambda: Digests("", "", ""), lambda writer: writer.rows(rows)))


@pytest.mark.parametrize(
    ("again", "similarity", "same_key", "told"),
    [
        (said("twin", 3), 1.0, True, ("exact_duplicate", "equal to")),
        (said("other", 4), 0.8125, False, ("near_duplicate", "81.2% like")),
        (said("other", 4), 1.0, False, ("near_duplicate", "100.0% like")),
    ],
)
def test_a_duplicate_names_its_twin_and_how_alike_they_are(
    again: Row, similarity: float, same_key: bool, told: tuple[str, str], store: PartitionStore
) -> None:
    first = [said("before", 1), said("twin", 3)]
    put(store, table_of("feed"), DAY, first)
    twin = twin_of(store, table_of("feed"), 1, similarity, same_key=same_key)
    reason, how = told
    assert removed(again, duplicates(store, "sft_pairs", {"late": {0: twin}})["late"], {}) == {
        **provenance(again),
        **NOT_RAW,
        "stage": "dedup",
        "reason": reason,
        "detail": f"{how} a record of feed landed on {DAY}",
        "twin_record_id": first[1]["record_id"],
        "twin_source": "feed",
        "twin_landing_date": date(2024, 9, 1),
        "similarity": similarity,
    }


def test_a_rollout_drawn_again_is_no_likeness(store: PartitionStore) -> None:
    table = Table("silver", "feed_conformed", RL_ROLLOUTS, fingerprinted=True)
    drawn = [landed(rollout(1, 1.0, answer=answer), number) for number, answer in enumerate(("a", "b"))]
    put(store, table, DAY, drawn)
    twin = twin_of(store, table, 0, 1.0, same_key=True)
    again = duplicates(store, "rl_rollouts", {"feed": {1: twin}})["feed"][1](provenance(drawn[1]))
    assert (again["reason"], again["detail"], again["twin_record_id"], again["similarity"]) == (
        "repeated_rollout",
        f"the same run, step and sample as a record of feed landed on {DAY}",
        drawn[0]["record_id"],
        None,
    )


@pytest.mark.parametrize(("matched_by", "how"), [("ngrams", "62% of its words"), ("exact", "word for word")])
def test_contamination_names_the_set_the_item_and_the_text(
    matched_by: str, how: str, store: PartitionStore
) -> None:
    row = said("words")
    put_verdicts(store, [verdict(row, "quiz", 0.62, matched_by=matched_by)])
    assert removed(row, {}, contaminated(store, VERDICTS, DAY)) == {
        **provenance(row),
        **NO_TWIN,
        **NOT_RAW,
        "stage": "decontaminate",
        "reason": "contaminated",
        "detail": f"quiz: item 2 of record {'1f' * 16}, question: {how}: 'how many ducks'",
    }


def test_of_several_sets_the_clearest_match_is_told(store: PartitionStore) -> None:
    row = said("words")
    put_verdicts(store, [verdict(row, name, share) for name, share in (("a", 0.5), ("b", 0.9), ("c", 0.9))])
    assert removed(row, {}, contaminated(store, VERDICTS, DAY))["detail"].startswith("b: ")


def test_a_verdict_is_on_a_text_and_not_on_a_place(store: PartitionStore) -> None:
    """A late export moves the day's records before the verdicts are made anew."""
    judged, other = said("judged", 1), said("other", 2)
    put_verdicts(store, [verdict(judged, "quiz", 1.0)])
    [batch] = SFT_PAIRS.table([other, judged]).to_batches()
    rows, rejects = split(batch, 0, repeated={}, given_away=contaminated(store, VERDICTS, DAY))
    assert rows.to_pylist() == SFT_PAIRS.table([other]).to_pylist()
    assert [row["record_id"] for row in rejects.to_pylist()] == [judged["record_id"]]


def test_without_verdicts_nothing_is_contaminated(store: PartitionStore) -> None:
    assert contaminated(store, None, DAY) == contaminated(store, VERDICTS, DAY) == {}


def told(reason: str) -> Any:
    return lambda row: row | NO_TWIN | NOT_RAW | {"stage": "dedup", "reason": reason, "detail": ""}


@given(st.sets(st.integers(0, 11)), st.sets(st.integers(0, 11)), st.integers(1, 6))
def test_every_row_stays_or_goes_whatever_the_batches(
    repeated: set[int], given_away: set[int], size: int
) -> None:
    """A duplicate that gives an item away is a duplicate."""
    rows = [said(f"text {number}", number) for number in range(12)]
    by_place = {place: told("repeated") for place in repeated}
    by_id = {rows[place]["record_id"]: told("given away") for place in given_away}
    split_ = [
        split(batch, start, repeated=by_place, given_away=by_id)
        for start in range(0, 12, size)
        for batch in SFT_PAIRS.table(rows[start : start + size]).to_batches()
    ]
    stay, go = (pa.concat_tables(tables) for tables in zip(*split_, strict=True))
    assert (stay.schema, go.schema) == (SFT_PAIRS.arrow, REJECTS.arrow)
    assert stay.column("record_number").to_pylist() == sorted({*range(12)} - repeated - given_away)
    assert [(row["record_number"], row["reason"]) for row in go.to_pylist()] == [
        (number, "repeated" if number in repeated else "given away")
        for number in sorted(repeated | given_away)
    ]
