"""Laws of what a trace says when it can't answer: what, where, and the next step; exit code 1."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from medallion_assets.schemas import SFT_PAIRS
from medallion_assets.storage.manifest import Digests
from medallion_assets.storage.store import Build, PartitionStore, Table
from medallion_assets_tests.pipeline.sample import Site
from medallion_assets_tests.trace.stores import medallion

DAY = "2024-09-01"
BIN = ("gold", "packed", "--partition", DAY, "--bin")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("record", "0" * 32), f"no record's id begins with {'0' * 32} in "),
        (("record", "12"), "'12' is no record id: that has 32 hex digits, of which the first 8 are enough"),
        (("record", "g" * 32), "is no record id: that has 32 hex digits"),
        (("file", "gone.jsonl"), "no file of that name, and no export landed as gone.jsonl"),
        (("file", "0" * 64), f"no export has the SHA-256 {'0' * 64}"),
        (
            ("file", "a.jsonl", "--record", "31"),
            "2024-09-01/a.jsonl has no record 31; its records are 1 to 30",
        ),
        (("file", "a.jsonl", "--line", "31"), "line 31 of 2024-09-01/a.jsonl holds no record"),
        (("gold", "paked", "--partition", DAY, "--bin", "0"), "there is no recipe 'paked' in "),
        (("gold", "paked", "--partition", DAY, "--bin", "0"), "there are: packed, plain"),
        (
            ("gold", "packed", "--partition", "2024-08-31", "--bin", "0"),
            "gold/packed has no partition 2024-08-31 (there are 3, 2024-09-01 to 2024-09-03); "
            "make it: dagster asset materialize --select gold/packed --partition 2024-08-31",
        ),
        (("gold", "packed", "--partition", "2024-09-03", "--bin", "0"), "has no bin 0; it has none"),
        ((*BIN, "6"), "gold/packed partition 2024-09-01 has no bin 6; its bins are 0 to 5"),
        ((*BIN, "2", "--position", "120"), "bin 2 has no token 120; its positions are 0 to 119"),
    ],
)
def test_what_is_not_there_is_said_with_exit_code_1(
    traced: Site, words: tuple[str, ...], message: str
) -> None:
    result = medallion(traced.roots.data, *words)
    assert (result.exit_code, message in result.output) == (1, True), result.output


def test_without_a_store_the_variable_that_names_it_is_said(tmp_path: Path) -> None:
    result = medallion(tmp_path / "none", "record", "0" * 8)
    assert result.exit_code == 1
    assert result.output == (
        f"Error: there is no store at {tmp_path / 'none'}; "
        "set MEDALLION_DATA to the folder or bucket that holds bronze/\n"
    )
    assert not (tmp_path / "none").exists()


def test_bytes_that_never_landed_are_named_with_those_that_did_under_that_name(
    traced: Site, tmp_path: Path
) -> None:
    other = tmp_path / "2024-09-01" / "a.jsonl"
    other.parent.mkdir()
    other.write_text("{}\n")
    result = medallion(traced.roots.data, "file", str(other))
    assert result.exit_code == 1
    assert f"the bytes of {other} (SHA-256 " in result.output
    assert "have not landed, but others have under that name; give the SHA-256 of one:" in result.output
    assert "alpaca, 2024-09-01, 2024-09-01/a.jsonl" in result.output


@pytest.fixture
def copy(traced: Site, tmp_path: Path) -> Path:
    """A store of one's own to damage."""
    return shutil.copytree(traced.roots.data, tmp_path / "data")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def overwrite(path: Path) -> None:
    path.write_bytes(b"\0" * path.stat().st_size)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (Path.unlink, "{} is missing"),
        (cut, "{} has {} bytes; its manifest says "),
        (overwrite, "the bytes of {} have changed"),
    ],
)
@pytest.mark.parametrize(
    "table", ["bronze/alpaca", "silver/alpaca_conformed", "silver/sft_pairs", "gold/packed"]
)
def test_a_damaged_part_is_said_with_the_command_that_makes_it_again(
    copy: Path, table: str, damage: object, why: str
) -> None:
    assert callable(damage)
    part = max((copy / table).glob(f"**/dt={DAY}/part-*.parquet"), key=lambda path: path.stat().st_size)
    size = part.stat().st_size
    damage(part)
    result = medallion(copy, "file", "a.jsonl", "--line", "1")
    assert result.exit_code == 1
    assert f"{table} partition {DAY} is damaged: {why.format(part.name, size - 9)}" in result.output
    assert f"make it again: dagster asset materialize --select {table} --partition {DAY}" in result.output


def test_a_damaged_manifest_is_said(copy: Path) -> None:
    (copy / f"silver/sft_pairs/dt={DAY}/_manifest.json").write_text("{")
    result = medallion(copy, "file", "a.jsonl", "--line", "1")
    assert result.exit_code == 1
    assert f"dt={DAY}/_manifest.json can't be read: " in result.output


def test_a_bin_whose_record_left_silver_is_traced_by_the_id_alone(copy: Path) -> None:
    shutil.rmtree(copy / f"silver/sft_pairs/dt={DAY}")
    listed = medallion(copy, *BIN, "0")
    traced = medallion(copy, *BIN, "0", "--position", "0")
    assert (listed.exit_code, traced.exit_code) == (0, 0)
    assert "no longer in silver" in listed.output
    again = f"dagster asset materialize --select silver/sft_pairs --partition {DAY}"
    assert f"not materialized yet; make it: {again}" in traced.output


def test_digits_that_two_ids_begin_with_list_both(tmp_path: Path) -> None:
    ids = [f"{'a' * 31}{last}" for last in "01"]
    write_conformed(tmp_path, [f"{'a' * 7}b{'0' * 24}", *ids])
    result = medallion(tmp_path, "record", "A" * 9)
    assert result.exit_code == 1
    expected = [f"Error: 2 record ids begin with {'a' * 9}; give more digits of one:", *ids]
    assert [line.strip() for line in result.output.splitlines()] == expected


def write_conformed(root: Path, record_ids: list[str]) -> None:
    """A conformed table of records that have nothing but their ids."""
    rows = [
        {
            "record_id": record_id,
            "source": "feed",
            "landing_date": date.fromisoformat(DAY),
            "export_sha256": "0" * 64,
            "record_number": number,
            "line": number,
            "messages": [],
        }
        for number, record_id in enumerate(record_ids, start=1)
    ]
    table = Table("silver", "feed_conformed", SFT_PAIRS)
    build = Build(lambda: Digests("", "", ""), lambda writer: writer.rows(SFT_PAIRS.table(rows)))
    PartitionStore(root).overwrite(table, DAY, build)
