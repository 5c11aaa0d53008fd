"""Laws of recipes through their stage: what a mix, a hold-out and a length policy make of a day of silver."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.checks.conservation import Balance, balance_of
from medallion_assets.config.file import check
from medallion_assets.package.recipe import Packaging, Selection
from medallion_assets.package.stage import GoldStage
from medallion_assets.roots import Roots
from medallion_assets.schemas import REJECTS
from medallion_assets.schemas_gold import GOLD_SFT
from medallion_assets.stages import stages_of
from medallion_assets.storage.manifest import Digests
from medallion_assets.storage.store import Build, PartitionStore, PartitionWriter, Table
from medallion_assets.trace.bins import Span, documents_of, spans_of
from medallion_assets.trace.errors import NotFound
from medallion_assets.trace.reader import open_store
from medallion_assets.trace.records import BinTrace, Document
from medallion_assets.trace.show import lines
from medallion_assets_tests.package.chat import CHATML, Row, conversations, turn
from medallion_assets_tests.package.gold import KEY, STAGE, encoded, land, packaged, packed, silver_rows

SOUND = Balance(0, 0, ())
TALKS = st.lists(conversations(), max_size=6)
RULES = st.builds(
    Packaging,
    max_length=st.sampled_from([48, 128, 4096]),
    too_long=st.sampled_from(["reject", "split", "truncate"]),
    packing=st.sampled_from(["best_fit", "none"]),
)
SELECTIONS = st.builds(
    Selection,
    mix=st.none() | st.fixed_dictionaries({"feed": st.floats(0.1, 3)}),
    where=st.sampled_from([None, "len(messages) > 2"]),
    held_out=st.none() | st.floats(0.1, 0.9),
)


def conversation(turns: int, words: int = 8) -> list[Row]:
    """Turn and turn about, each of some words."""
    return [
        turn(role, f"{number} " + "word " * words)
        for number in range(turns)
        for role in ("user", "assistant")
    ]


def pieces(bins: list[Row]) -> dict[str, list[tuple[int, list[int], list[int]]]]:
    """By record: its documents' offsets, ids and labels, by offset."""
    found: dict[str, list[tuple[int, list[int], list[int]]]] = {}
    for row in bins:
        start = 0
        lying = zip(row["record_ids"], row["record_offsets"], row["seq_lengths"], strict=True)
        for name, offset, length in lying:
            ids, labels = (row[column][start : start + length] for column in ("input_ids", "labels"))
            found.setdefault(name, []).append((offset, ids, labels))
            start += length
    return {name: sorted(held) for name, held in found.items()}


@given(TALKS, RULES, SELECTIONS)
@settings(max_examples=15)
def test_any_recipe_conserves_every_record(
    talks: list[list[Row]], rules: Packaging, selection: Selection
) -> None:
    with TemporaryDirectory() as root:
        store = PartitionStore(Path(root))
        land(store, silver_rows(talks))
        for side in {False, selection.held_out is not None}:
            stage = replace(STAGE, packaging=rules, selection=replace(selection, takes_held_out=side))
            packed(store, stage)
            assert balance_of(stage, store, KEY) == SOUND


@given(TALKS, st.sampled_from([48, 80, 128]))
@settings(max_examples=25)
def test_the_pieces_of_a_split_record_are_its_tokens_and_labels(
    talks: list[list[Row]], max_length: int
) -> None:
    rows = silver_rows(talks)
    with TemporaryDirectory() as root:
        store = PartitionStore(Path(root))
        land(store, rows)
        bins, _, summary = packed(store, packaged(too_long="split", max_length=max_length))
    whole = {row["record_id"]: encoded(row) for row in rows}
    for name, held in pieces(bins).items():
        ids, labels = ([token for each in held for token in each[place]] for place in (1, 2))
        assert (ids, labels) == whole[name]
        assert [offset for offset, _, _ in held] == [
            sum(len(ids) for _, ids, _ in held[:n]) for n in range(len(held))
        ]
    assert summary["pieces"] == sum(len(held) for held in pieces(bins).values() if len(held) > 1)
    assert summary["split_records"] == sum(len(held) > 1 for held in pieces(bins).values())


def test_a_truncated_record_is_its_beginning_and_what_is_cut_is_counted(tmp_path: Path) -> None:
    store = PartitionStore(tmp_path)
    [row] = silver_rows([conversation(9)])
    land(store, [row])
    bins, _, summary = packed(store, packaged(too_long="truncate"))
    ids, labels = encoded(row)
    assert pieces(bins) == {row["record_id"]: [(0, ids[:64], labels[:64])]}
    assert (summary["truncated_records"], summary["tokens_cut"]) == (1, len(ids) - 64)


@pytest.mark.parametrize("too_long", ["reject", "split"])
def test_a_mix_repeats_documents_but_no_reject(too_long: str, tmp_path: Path) -> None:
    store = PartitionStore(tmp_path)
    rows = silver_rows([conversation(1), conversation(3), conversation(1, words=100)])
    land(store, rows)
    stage = replace(packaged(too_long=too_long), selection=Selection(mix={"feed": 2}))
    bins, rejects, summary = packed(store, stage)
    begun = Counter(name for name, held in pieces(bins).items() for offset, _, _ in held if offset == 0)
    taken = rows[:1] if too_long == "reject" else rows[:2]
    assert begun == Counter({row["record_id"]: 2 for row in taken})
    assert {row["record_id"]: row["reason"] for row in rejects} == {
        row["record_id"]: "too_long" for row in rows[len(taken) :]
    }
    assert len(rejects) == len(rows) - len(taken)
    assert summary["records"] == len(taken)


def test_a_hold_out_is_a_second_table_of_the_same_rules(tmp_path: Path) -> None:
    recipe = {"name": "r", "unit": "sft_pairs", "tokenizer": {"path": str(CHATML)}, "holdout": 0.1}
    source = {"name": "a", "unit": "sft_pairs", "format": "messages"}
    config = check({"start_date": "2024-09-01", "sources": [source], "recipes": [recipe]})
    stages = stages_of(config, Roots(tmp_path, tmp_path / "landing"), base=tmp_path).recipes
    assert [*stages] == ["r", "r_holdout"]
    held_out = replace(stages["r"].selection, takes_held_out=True)
    assert stages["r_holdout"] == replace(stages["r"], recipe="r_holdout", selection=held_out)


def test_changed_rules_make_a_version_beside_the_old(tmp_path: Path) -> None:
    selections = [Selection(), Selection(mix={"feed": 2}), Selection(where="true"), Selection(held_out=0.5)]
    selections += [replace(selections[-1], takes_held_out=True), Selection(held_out=0.25)]
    stages = [replace(STAGE, selection=each) for each in selections] + [packaged(too_long="split")]
    assert len({stage.table.version for stage in stages}) == len(stages)
    assert len({stage.config_version for stage in stages}) == len(stages)


def test_a_trace_finds_every_piece_of_every_copy(tmp_path: Path) -> None:
    store = PartitionStore(tmp_path)
    [row] = silver_rows([conversation(6)])
    land(store, [row])
    stage = replace(packaged(too_long="split"), selection=Selection(mix={"feed": 2}))
    bins, _, _ = packed(store, stage)
    ids, _ = encoded(row)
    with open_store(tmp_path) as reader:
        spans = spans_of(reader, stage.table, KEY, row["record_id"])
    assert len(spans) == sum(len(each["record_ids"]) for each in bins) > 2
    for span in spans:
        assert (
            bins[span.bin]["input_ids"][span.start : span.end] == ids[span.offset :][: span.end - span.start]
        )


def spoilt(store: PartitionStore, stage: GoldStage, rows: list[Row], rejects: list[Row]) -> Balance | None:
    """What conservation finds once the stage's partition holds these."""

    def write(writer: PartitionWriter) -> None:
        writer.rows(stage.table.schema.table(rows))
        writer.rejects(REJECTS.table(rejects))

    (store.folder(stage.table, KEY) / "_manifest.json").unlink()
    store.overwrite(stage.table, KEY, Build(stage.build(store, KEY).digests, write))
    return balance_of(stage, store, KEY)


def test_a_piece_that_is_missing_between_others_is_found(tmp_path: Path) -> None:
    store = PartitionStore(tmp_path)
    [row] = silver_rows([conversation(6)])
    land(store, [row])
    stage = packaged(too_long="split", packing="none")
    bins, rejects, _ = packed(store, stage)
    first, _, *others = sorted(bins, key=lambda each: each["record_offsets"])
    assert others
    assert spoilt(store, stage, [first, *others], rejects) == Balance(1, 0, (row["record_id"],))


def test_partitions_of_another_version_are_not_read_as_what_they_are_not(tmp_path: Path) -> None:
    store = PartitionStore(tmp_path)
    old = Table("gold", "recipe", replace(GOLD_SFT, version=1), version="old")
    store.overwrite(old, KEY, Build(lambda: Digests("", "", ""), lambda writer: None))
    with open_store(tmp_path) as reader:
        [gold] = reader.recipes()
        with pytest.raises(NotFound, match="another version; make it again: dagster asset materialize"):
            documents_of(reader, gold, KEY, 0)


def test_a_trace_tells_which_piece_it_found() -> None:
    document = Document(Span(3, 10, 20, offset=64), "f" * 32, None, None, None)
    told = [*lines(BinTrace("gold/recipe", "v", KEY, (document,)))]
    assert told[-1] == f"  [10, 20) {'f' * 32} from its token 64 on no longer in silver"


def test_a_copy_too_few_or_too_many_is_found(tmp_path: Path) -> None:
    store = PartitionStore(tmp_path)
    rows = silver_rows([conversation(1), conversation(2)])
    land(store, rows)
    stage = replace(packaged(packing="none"), selection=Selection(mix={"feed": 2}, where="len(messages) < 3"))
    bins, rejects, _ = packed(store, stage)
    kept, left_out = rows[0]["record_id"], rows[1]["record_id"]
    assert ([row["record_ids"] for row in bins], [row["record_id"] for row in rejects]) == (
        [[kept], [kept]],
        [left_out],
    )
    told = {**rejects[0], "record_id": kept}
    stray: Any = {**bins[0], "record_ids": [left_out]}
    assert spoilt(store, stage, bins, rejects) == SOUND
    assert spoilt(store, stage, [], [*rejects, told]) == SOUND  # rejected, once for both
    assert spoilt(store, stage, bins[:1], rejects) == Balance(1, 0, (kept,))
    assert spoilt(store, stage, [*bins, bins[0]], rejects) == Balance(0, 1, (kept,))
    assert spoilt(store, stage, bins, [*rejects, told]) == Balance(0, 1, (kept,))
    assert spoilt(store, stage, bins, []) == Balance(1, 0, (left_out,))
    assert spoilt(store, stage, [*bins, stray], rejects) == Balance(0, 1, (left_out,))
    assert spoilt(store, stage, [*bins, stray], []) == Balance(0, 1, (left_out,))
