"""Laws of SFT gold through its stage: every silver record is in exactly one bin, whole, or in one reject."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.package.recipe import Packaging, Workshop
from medallion_assets.package.stage import GoldStage
from medallion_assets.package.tokens.tokenizer import TokenizerSpec
from medallion_assets.package.units.sft_pairs import made, write
from medallion_assets.schemas import SFT_PAIRS
from medallion_assets.schemas_gold import GOLD_SFT
from medallion_assets.storage.store import PartitionStore, PartitionWriter, Table
from medallion_assets_tests.conform.rows import conformed_file
from medallion_assets_tests.package.chat import CHATML, END, Row, conversations, shipped, turn
from medallion_assets_tests.package.gold import (
    KEY,
    STAGE,
    documents,
    encoded,
    land,
    packaged,
    packed,
    saying,
    silver_row,
    silver_rows,
)
from medallion_assets_tests.real_data import real_data


@pytest.fixture
def store(tmp_path: Path) -> PartitionStore:
    return PartitionStore(tmp_path)


def counts(**told: Any) -> dict[str, Any]:
    """A summary: what is not told is nothing."""
    numbers = ("records", "documents", "tokens", "split_records", "pieces", "truncated_records", "tokens_cut")
    return {**dict.fromkeys((*numbers, "bins", "unshown_turns"), 0), "rejected": {}} | told


TALKS = st.lists(conversations(), max_size=8)


@given(TALKS, st.sampled_from(["best_fit", "none"]), st.sampled_from([48, 128, 4096]))
@settings(max_examples=25)
def test_every_record_is_whole_in_one_bin_or_in_one_reject(
    talks: list[list[Row]], packing: str, max_length: int
) -> None:
    rows = silver_rows(talks)
    with TemporaryDirectory() as root:
        store = PartitionStore(Path(root))
        land(store, rows)
        bins, rejects, _ = packed(store, packaged(packing=packing, max_length=max_length))
    ends = [name for row in bins for name in row["record_ids"]] + [reject["record_id"] for reject in rejects]
    assert Counter(ends) == Counter(row["record_id"] for row in rows)
    whole = {row["record_id"]: encoded(row) for row in rows}
    assert documents(bins) == {name: whole[name] for row in bins for name in row["record_ids"]}
    for row in bins:
        assert len(row["input_ids"]) == len(row["labels"]) == sum(row["seq_lengths"]) <= max_length
    reasons = {name: "too_long" if len(whole[name][0]) > max_length else "nothing_to_learn" for name in whole}
    assert {r["record_id"]: r["reason"] for r in rejects} == {
        r["record_id"]: reasons[r["record_id"]] for r in rejects
    }


def test_a_reject_tells_its_length_and_where_the_record_came_from(store: PartitionStore) -> None:
    rows = saying("word " * 100)
    land(store, rows)
    bins, [reject], summary = packed(store)
    provenance = {key: value for key, value in rows[0].items() if key != "messages"}
    told = {
        "stage": "package",
        "reason": "too_long",
        "detail": f"{len(encoded(rows[0])[0])} tokens; max_length is 64",
    }
    assert bins == []
    assert {key: reject[key] for key in (*provenance, *told)} == provenance | told
    assert summary == counts(rejected={"too_long": 1}, packing_efficiency=None)


def test_a_record_of_exactly_max_length_is_packed_and_one_token_more_is_not(store: PartitionStore) -> None:
    rows = saying("some words")
    land(store, rows)
    tokens = len(encoded(rows[0])[0])
    outcomes = [packed(store, packaged(max_length=length)) for length in (tokens, tokens - 1)]
    assert [(len(bins), len(rejects)) for bins, rejects, _ in outcomes] == [(1, 0), (0, 1)]


def test_each_reason_is_counted_and_none_stops_the_others(store: PartitionStore) -> None:
    silent = [turn("user", "q"), turn("assistant", "a", train=False)]
    rows = [*saying("fine", "word " * 100, f"a{END}b", "word " * 101), silver_row(silent, 9)]
    land(store, rows)
    bins, _, summary = packed(store)
    assert summary["rejected"] == {"too_long": 2, "control_token_in_text": 1, "nothing_to_learn": 1}
    assert [row["record_ids"] for row in bins] == [[rows[0]["record_id"]]]


def test_the_summary_counts_documents_tokens_and_bins(store: PartitionStore) -> None:
    rows = saying(*"abcdefghij")
    land(store, rows)
    bins, _, summary = packed(store)
    tokens = sum(len(encoded(row)[0]) for row in rows)
    efficiency = round(tokens / (len(bins) * 64), 6)
    told = {"records": 10, "documents": 10, "tokens": tokens, "bins": len(bins)}
    assert summary == counts(**told, packing_efficiency=efficiency)


def test_without_packing_every_record_is_alone_in_its_bin(store: PartitionStore) -> None:
    rows = saying(*"abcdefghij")
    land(store, rows)
    bins, _, _ = packed(store, packaged(packing="none"))
    assert sorted(row["record_ids"] for row in bins) == sorted([row["record_id"]] for row in rows)


@pytest.mark.parametrize(
    "other",
    [
        packaged(max_length=65),
        packaged(packing="none"),
        replace(STAGE, recipe="other"),
    ],
)
def test_another_packing_is_another_version_beside_the_old(other: GoldStage, store: PartitionStore) -> None:
    land(store, saying("a"))
    first = packed(store)
    packed(store, other)
    assert other.table.version != STAGE.table.version or other.recipe != STAGE.recipe
    assert store.table_folder(other.table) != store.table_folder(STAGE.table)
    assert packed(store) == first


def test_another_chat_template_is_another_version(tmp_path: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((CHATML / name).read_bytes())
    versions = []
    for text in ("a", "b"):
        (tmp_path / "chat_template.jinja").write_text(text)
        versions.append(replace(STAGE, tokenizer=TokenizerSpec(tmp_path)).table.version)
    assert len({*versions, STAGE.table.version}) == 3


def test_building_again_is_skipped_until_silver_changes(store: PartitionStore) -> None:
    changed = []
    for rows in (saying("a"), saying("a"), saying("b")):
        land(store, rows)
        changed.append(store.overwrite(STAGE.table, KEY, STAGE.build(store, KEY)).changed)
    assert changed == [True, False, True]


def written(
    folder: Path, batches: list[pa.RecordBatch], row_group_rows: int = 1024
) -> tuple[Path, list[str]]:
    """The bins' file and the SHA-256 of what the unit writes."""
    folder.mkdir()
    schema = replace(GOLD_SFT, row_group_rows=row_group_rows)
    writer = PartitionWriter(folder, Table("gold", "recipe", schema))
    workshop = Workshop(shipped(), Packaging(64), schema, folder / "scratch")
    write(made(batches, workshop), workshop, writer)
    *parts, _ = writer.finish()
    return folder / parts[0].name, [part.sha256 for part in parts]


MANY = silver_rows([[turn("user", f"{n}"), turn("assistant", "la " * (n % 40 + 1))] for n in range(300)])


def test_the_batches_in_which_silver_is_read_change_no_byte(tmp_path: Path) -> None:
    table = SFT_PAIRS.table(MANY)
    found = [written(tmp_path / f"{rows}", table.to_batches(max_chunksize=rows))[1] for rows in (1, 7, 300)]
    assert found == [found[0]] * 3


def test_the_size_of_row_groups_changes_no_row(tmp_path: Path) -> None:
    batches = SFT_PAIRS.table(MANY).to_batches()
    files = [written(tmp_path / f"{size}", batches, size)[0] for size in (1, 7, 1024)]
    tables = [pa.parquet.read_table(file) for file in files]
    assert [table.equals(tables[0]) for table in tables] == [True] * 3


def test_the_order_of_silver_changes_no_bin(tmp_path: Path) -> None:
    found = [
        written(tmp_path / name, SFT_PAIRS.table(rows).to_batches())[1]
        for name, rows in (("up", MANY), ("down", MANY[::-1]))
    ]
    assert found[0][0] == found[1][0]


def test_the_landing_date_is_the_templates_today(tmp_path: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((CHATML / name).read_bytes())
    dated = "{{ strftime_now('%Y-%m-%d') }}\n" + shipped().chat_template
    (tmp_path / "chat_template.jinja").write_text(dated)
    store = PartitionStore(tmp_path / "data")
    land(store, [{**saying("a")[0], "landing_date": date(2031, 2, 3)}])
    [bin_], _, _ = packed(store, replace(STAGE, tokenizer=TokenizerSpec(tmp_path)))
    assert shipped().core.decode(bin_["input_ids"]).startswith("2031-02-03")


def test_alpaca_fills_its_bins(tmp_path: Path) -> None:
    rows, _ = conformed_file("alpaca", real_data("sft/alpaca_52k.json.gz"))
    store = PartitionStore(tmp_path)
    land(store, rows)
    bins, rejects, summary = packed(store, packaged(max_length=2048))
    found = (
        len(rejects),
        summary["rejected"],
        summary["documents"],
        sum(len(row["record_ids"]) for row in bins),
    )
    assert found == (3, {"too_long": 3}, 51_970, 51_970)
    assert summary["packing_efficiency"] >= 0.999
