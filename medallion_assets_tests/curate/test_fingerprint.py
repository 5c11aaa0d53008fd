"""Laws of fingerprints: they follow from what is compared, and from nothing beside it."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.curate.deposits import deposits
from medallion_assets.curate.fingerprint import COMPARED, fingerprints_of
from medallion_assets.curate.minhash import signatures
from medallion_assets.schemas import FINGERPRINTS, PREFERENCE_TRIPLES, RL_ROLLOUTS, SFT_PAIRS
from medallion_assets.storage.store import PartitionStore, Table
from medallion_assets.units import Message, Preference
from medallion_assets_tests.curate.fingerprinted import Row, put, said
from medallion_assets_tests.curate.rollouts import numbered, rollout

# Few words, so that runs repeat within a text and between texts.
TEXTS = st.lists(st.lists(st.sampled_from(["a", "b", "cd", "+"]), max_size=12).map(" ".join), max_size=8)
SENTENCE = "A train leaves at 9 o'clock and goes 60 km / h"


def of(texts: list[str], parts: tuple[str, ...] = COMPARED["sft_pairs"]) -> pa.Table:
    rows = [said(text, number) for number, text in enumerate(texts)]
    return fingerprints_of(SFT_PAIRS.table(rows), "sft_pairs", parts)


def shingles(texts: list[str], parts: tuple[str, ...] = COMPARED["sft_pairs"]) -> list[list[int]]:
    found: list[list[int]] = of(texts, parts).column("shingles").to_pylist()
    return found


def runs_by_rule(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+|\+", text)
    return {tuple(words[place : place + 5]) for place in range(max(len(words) - 4, 1))} if words else set()


@given(TEXTS)
def test_shingles_are_the_distinct_runs_of_five_words(texts: list[str]) -> None:
    found = shingles(texts)
    runs = [runs_by_rule(text) for text in texts]
    assert [sorted(set(each)) for each in found] == found
    assert [len(each) for each in found] == [len(each) for each in runs]
    for one, some in zip(runs, found, strict=True):
        assert [len(one & other) for other in runs] == [len({*some} & {*others}) for others in found]


@given(TEXTS, st.integers(0, 8))
def test_a_fingerprint_does_not_depend_on_its_batch(texts: list[str], cut: int) -> None:
    rows = SFT_PAIRS.table([said(text, number) for number, text in enumerate(texts)])
    pieces = [rows.slice(0, cut), rows.slice(cut)]
    made = [fingerprints_of(piece, "sft_pairs", COMPARED["sft_pairs"]) for piece in pieces]
    assert pa.concat_tables(made).to_pylist() == of(texts).to_pylist()


@given(TEXTS)
def test_signatures_are_those_of_the_shingles(texts: list[str]) -> None:
    each = shingles(texts)
    flat = np.array([value for some in each for value in some], np.uint32)
    expected = signatures(flat, np.cumsum([0, *map(len, each)]))
    assert of(texts).column("minhash").to_pylist() == [row.tobytes() for row in expected]


def test_keys_are_record_ids_and_those_of_rollouts_their_own() -> None:
    rows = [said("same words", number) for number in (1, 2)]
    keys = fingerprints_of(SFT_PAIRS.table(rows), "sft_pairs", ("user",)).column("dedup_key").to_pylist()
    assert [key.hex() for key in keys] == [row["record_id"] for row in rows]
    drawn = numbered([rollout(1, 0.5), rollout(2, 0.5)])
    made = fingerprints_of(RL_ROLLOUTS.table(drawn), "rl_rollouts", COMPARED["rl_rollouts"])
    assert [key.hex() for key in made.column("dedup_key").to_pylist()] == [
        row["rollout_key"] for row in drawn
    ]


@pytest.mark.parametrize(
    "other", [SENTENCE.upper(), f"  {SENTENCE.replace(' ', chr(10))}.", SENTENCE.replace("'", " ")]
)
def test_case_spaces_and_prose_punctuation_are_no_difference(other: str) -> None:
    one, two = shingles([SENTENCE, other])
    assert one == two


@pytest.mark.parametrize(
    "other", [SENTENCE.replace("/", "*"), SENTENCE.replace("60", "61"), SENTENCE.replace("km", "kmh")]
)
def test_operators_numbers_and_letters_are(other: str) -> None:
    one, two = shingles([SENTENCE, other])
    assert one != two


def test_turns_and_the_parts_within_are_told_by_what_is_said_only() -> None:
    turns = [("user", "one two three"), ("assistant", "four five six")]
    row: Row = said("") | {
        "messages": [{"role": role, "content": text, "train": False} for role, text in turns]
    }
    made = fingerprints_of(SFT_PAIRS.table([row]), "sft_pairs", COMPARED["sft_pairs"])
    assert made.column("shingles").to_pylist() == shingles(["one two three four five six"])


@pytest.mark.parametrize("parts", [(), ("assistant",)])
def test_where_nothing_is_compared_there_is_only_the_key(parts: tuple[str, ...]) -> None:
    whole, bare = of([SENTENCE], COMPARED["sft_pairs"]), of([SENTENCE], parts)
    assert bare.to_pylist() == [
        {"dedup_key": whole.column("dedup_key")[0].as_py(), "minhash": bytes(64), "shingles": []}
    ]


def test_records_compared_by_other_parts_have_nothing_in_common() -> None:
    [some], [others] = shingles([SENTENCE], ("user",)), shingles([SENTENCE], ("user", "system"))
    assert set(some).isdisjoint(others)
    assert shingles([SENTENCE], ("system", "user")) == [others]


@pytest.mark.parametrize("schema", [SFT_PAIRS, RL_ROLLOUTS])
def test_no_rows_have_no_fingerprints(schema: object) -> None:
    unit = schema.name  # type: ignore[attr-defined]
    made = fingerprints_of(schema.table([]), unit, COMPARED[unit])  # type: ignore[attr-defined]
    assert (made.num_rows, made.schema) == (0, FINGERPRINTS.arrow)


def test_the_file_of_a_partition_does_not_depend_on_batches(tmp_path: Path) -> None:
    rows = [said(f"{SENTENCE} {number}" if number % 3 else "", number) for number in range(50)]
    table = Table("silver", "feed_conformed", SFT_PAIRS, fingerprinted=True)
    written = set()
    for batch in (1, 7, 1000):
        store = PartitionStore(tmp_path / str(batch))
        put(store, table, "2024-09-01", rows, batch=batch)
        [deposit] = deposits(store, [("feed", table)], upto="2024-09-01")
        written.add((deposit.path.name, deposit.path.read_bytes()))
        assert deposit.rows == len(rows)
    assert len(written) == 1


def judged(chosen: str | None, rejected: str | None) -> Row:
    def sides(text: str | None) -> list[Message] | None:
        return None if text is None else [Message("assistant", text)]

    record = Preference([Message("user", "which one is it then")], sides(chosen), sides(rejected)).as_row()
    place = {"export_sha256": "e" * 64, "record_number": 1, "line": 1}
    return record | {"source": "feed", "landing_date": date(2024, 9, 1), **place}


ONE, OTHER = (" ".join(f"{word}{number}" for number in range(60)) for word in ("yes", "no"))


@pytest.mark.parametrize(
    ("some", "others"),
    [((ONE, OTHER), (OTHER, ONE)), ((ONE, None), (None, ONE))],
    ids=["sides swapped", "liked and disliked"],
)
def test_judgements_to_the_contrary_have_only_the_prompt_in_common(
    some: tuple[str | None, str | None], others: tuple[str | None, str | None]
) -> None:
    unit = PREFERENCE_TRIPLES.name
    rows = PREFERENCE_TRIPLES.table([judged(*some), judged(*others)])
    first, second = (
        set(each) for each in fingerprints_of(rows, unit, COMPARED[unit])["shingles"].to_pylist()
    )
    assert len(first) == len(second) >= 57
    assert len(first & second) == 1
