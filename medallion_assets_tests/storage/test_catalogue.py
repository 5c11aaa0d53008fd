"""Laws of the catalogue: views of what is present now, made anew at will, and in nobody's way."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from medallion_assets.schemas import REJECTS, Column
from medallion_assets.storage import catalogue
from medallion_assets.storage.store import Build, PartitionStore, Table
from medallion_assets_tests.storage.samples import (
    BRONZE_LOG,
    CHILDREN,
    DAY,
    NUMBERS,
    SILVER,
    append_of,
    build_of,
    digests_of,
    exit_code_of,
    gold,
    start,
    temporaries,
)

VIEWS = "SELECT schema_name || '.' || view_name FROM duckdb_views() WHERE NOT internal ORDER BY ALL"


@pytest.fixture
def store(tmp_path: Path) -> PartitionStore:
    return PartitionStore(tmp_path / "data")


@pytest.fixture
def warehouse(store: PartitionStore) -> Path:
    return store.root / "warehouse.duckdb"


@contextmanager
def reading(warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(warehouse), read_only=True) as duck:
        yield duck


def first_column(warehouse: Path, query: str) -> list[object]:
    with reading(warehouse) as duck:
        return [row[0] for row in duck.execute(query).fetchall()]


def numbers_in(warehouse: Path, view: str) -> list[object]:
    return first_column(warehouse, f"SELECT number FROM {view} ORDER BY number")


def test_every_layer_has_views_of_its_present_generations(store: PartitionStore, warehouse: Path) -> None:
    store.append(BRONZE_LOG, DAY, append_of(a=[1], b=[2]))
    store.append(BRONZE_LOG, "2024-09-02", append_of(c=[3]))
    store.overwrite(SILVER, DAY, build_of(8, rejected=5))
    store.overwrite(SILVER, DAY, build_of(9, rejected=2))
    store.overwrite(gold("aa"), DAY, build_of(4, rejected=1))
    catalogue.refresh(store.root, warehouse)
    views = ["bronze.log", "gold.packed", "silver.numbers", "silver.rejects"]
    assert first_column(warehouse, VIEWS) == views
    assert [numbers_in(warehouse, view) for view in views[:3]] == [[1, 2, 3], [4], [9]]
    assert first_column(warehouse, "SELECT count(*) FROM silver.rejects") == [3]


def test_a_store_without_tables_has_no_views(store: PartitionStore, warehouse: Path) -> None:
    catalogue.refresh(store.root, warehouse)
    assert first_column(warehouse, VIEWS) == []


def test_an_empty_partition_has_views_without_rows(store: PartitionStore, warehouse: Path) -> None:
    store.overwrite(SILVER, DAY, build_of())
    catalogue.refresh(store.root, warehouse)
    assert (numbers_in(warehouse, "silver.numbers"), first_column(warehouse, "FROM silver.rejects")) == (
        [],
        [],
    )


def test_an_empty_partition_among_full_ones_hides_nothing(store: PartitionStore, warehouse: Path) -> None:
    for key, values in {"2024-09-01": [], "2024-09-02": [1], "2024-09-03": []}.items():
        store.overwrite(SILVER, key, build_of(*values))
    catalogue.refresh(store.root, warehouse)
    assert numbers_in(warehouse, "silver.numbers") == [1]


def test_the_file_holds_views_and_no_tables(store: PartitionStore, warehouse: Path) -> None:
    store.overwrite(SILVER, DAY, build_of(*range(1000), rejected=3))
    catalogue.refresh(store.root, warehouse)
    assert first_column(warehouse, "SELECT table_name FROM duckdb_tables()") == []
    assert first_column(warehouse, VIEWS) == ["silver.numbers", "silver.rejects"]


def test_only_the_current_version_of_gold_is_shown(store: PartitionStore, warehouse: Path) -> None:
    for version, number in (("aa", 1), ("bb", 2)):
        store.overwrite(gold(version), DAY, build_of(number))
    catalogue.refresh(store.root, warehouse)
    assert numbers_in(warehouse, "gold.packed") == [2]
    store.overwrite(gold("aa"), DAY, build_of(1))
    catalogue.refresh(store.root, warehouse)
    assert numbers_in(warehouse, "gold.packed") == [1]


def test_a_deleted_catalogue_is_made_anew(store: PartitionStore, warehouse: Path) -> None:
    store.overwrite(SILVER, DAY, build_of(1))
    catalogue.refresh(store.root, warehouse)
    warehouse.unlink()
    catalogue.refresh(store.root, warehouse)
    assert numbers_in(warehouse, "silver.numbers") == [1]
    assert [entry.name for entry in store.root.iterdir() if entry.is_file()] == [warehouse.name]


def test_a_broken_catalogue_is_made_anew(store: PartitionStore, warehouse: Path) -> None:
    store.overwrite(SILVER, DAY, build_of(1))
    warehouse.write_bytes(b"no database")
    catalogue.refresh(store.root, warehouse)
    assert numbers_in(warehouse, "silver.numbers") == [1]


def test_a_connection_opened_before_a_refresh_still_answers(store: PartitionStore, warehouse: Path) -> None:
    store.overwrite(SILVER, DAY, build_of(1))
    catalogue.refresh(store.root, warehouse)
    with reading(warehouse) as earlier:
        store.overwrite(SILVER, DAY, build_of(2))
        catalogue.refresh(store.root, warehouse)
        assert earlier.execute("SELECT number FROM silver.numbers").fetchall() == [(1,)]
    assert numbers_in(warehouse, "silver.numbers") == [2]


def answer_questions(warehouse: Path, questions: Connection) -> None:
    with reading(warehouse) as duck:
        questions.send("open")
        while query := questions.recv():
            questions.send(duck.execute(query).fetchall())


def test_a_process_that_has_it_open_does_not_stop_a_refresh(store: PartitionStore, warehouse: Path) -> None:
    store.overwrite(SILVER, DAY, build_of(1))
    catalogue.refresh(store.root, warehouse)
    ours, theirs = CHILDREN.Pipe()
    child = start(answer_questions, warehouse, theirs)
    assert ours.recv() == "open"
    store.overwrite(SILVER, DAY, build_of(2))
    catalogue.refresh(store.root, warehouse)
    ours.send("SELECT number FROM silver.numbers")
    assert (ours.recv(), numbers_in(warehouse, "silver.numbers")) == ([(1,)], [2])
    ours.send("")
    assert exit_code_of(child) == 0


def write_a_table_and_wait(warehouse: Path, written: Connection) -> None:
    duck = duckdb.connect(str(warehouse))
    duck.execute("CREATE TABLE notes AS SELECT 1 AS note")  # lies in the write-ahead log beside the file
    written.send("written")
    with suppress(EOFError):
        written.recv()  # until killed


def test_somebodys_table_in_the_old_file_does_not_break_the_new_one(
    store: PartitionStore, warehouse: Path
) -> None:
    store.overwrite(SILVER, DAY, build_of(1))
    catalogue.refresh(store.root, warehouse)
    ours, theirs = CHILDREN.Pipe()
    child = start(write_a_table_and_wait, warehouse, theirs)
    assert ours.recv() == "written"
    catalogue.refresh(store.root, warehouse)
    assert numbers_in(warehouse, "silver.numbers") == [1]
    child.kill()
    exit_code_of(child)
    assert numbers_in(warehouse, "silver.numbers") == [1]


def refresh_often(root: Path, number: int) -> None:
    for value in range(5):
        PartitionStore(root).overwrite(Table("silver", f"t{number}", NUMBERS), DAY, build_of(value))
        catalogue.refresh(root, root / "warehouse.duckdb")


def test_the_last_of_many_refreshes_has_seen_every_commit(store: PartitionStore, warehouse: Path) -> None:
    children = [start(refresh_often, store.root, number) for number in range(3)]
    assert [exit_code_of(child) for child in children] == [0, 0, 0]
    assert [numbers_in(warehouse, f"silver.t{number}") for number in range(3)] == [[4], [4], [4]]
    assert temporaries(store.root) == []


def test_a_refresh_that_fails_leaves_the_old_catalogue(
    store: PartitionStore, warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.overwrite(SILVER, DAY, build_of(1))
    catalogue.refresh(store.root, warehouse)
    before = warehouse.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", refuse)
        with pytest.raises(OSError, match="no space"):
            catalogue.refresh(store.root, warehouse)
    assert (warehouse.read_bytes(), temporaries(store.root)) == (before, [])


def refuse(*arguments: object) -> None:
    raise OSError(28, "no space")


def test_a_refresh_clears_up_after_one_that_was_killed(store: PartitionStore, warehouse: Path) -> None:
    child = start(die_before_the_swap, store.root, warehouse)
    assert (exit_code_of(child), len(temporaries(store.root))) == (66, 1)
    catalogue.refresh(store.root, warehouse)
    assert temporaries(store.root) == []


def die_before_the_swap(root: Path, warehouse: Path) -> None:
    os.replace = lambda *arguments: os._exit(66)
    catalogue.refresh(root, warehouse)


@pytest.mark.parametrize("name", ["it's", "a[1]", "a*b", "a b;DROP", 'a"b', "dt=x"])
def test_a_root_with_any_name_can_be_read(tmp_path: Path, name: str) -> None:
    store = PartitionStore(tmp_path / name)
    store.overwrite(SILVER, DAY, build_of(1))
    catalogue.refresh(store.root, store.root / "warehouse.duckdb")
    assert numbers_in(store.root / "warehouse.duckdb", "silver.numbers") == [1]


def test_views_have_the_declared_columns_and_no_other(store: PartitionStore, warehouse: Path) -> None:
    numbers = NUMBERS.arrow.names
    declared = {
        "silver.numbers": numbers,
        "gold.packed": numbers,
        "silver.rejects": ["rejected_by", *REJECTS.arrow.names],
    }
    for table in (SILVER, gold("12345678")):
        store.overwrite(table, DAY, build_of(1, rejected=1))
    catalogue.refresh(store.root, warehouse)
    described = {view: first_column(warehouse, f"DESCRIBE {view}") for view in declared}
    assert described == declared


def test_a_reject_names_the_table_that_it_fell_out_of(store: PartitionStore, warehouse: Path) -> None:
    for table in (SILVER, gold("12345678")):
        store.overwrite(table, DAY, build_of(1, rejected=1))
    catalogue.refresh(store.root, warehouse)
    query = "SELECT rejected_by FROM silver.rejects ORDER BY 1"
    assert first_column(warehouse, query) == ["gold/packed", "silver/numbers"]


def test_a_view_spans_partitions_of_an_older_schema(store: PartitionStore, warehouse: Path) -> None:
    newer = replace(NUMBERS, version=2, columns=(*NUMBERS.columns, Column("note", pa.string(), "", True)))
    store.overwrite(SILVER, DAY, build_of(1))
    rows = newer.table([{"number": 2, "note": "new"}])
    later = Build(lambda: digests_of(2), lambda writer: writer.rows(rows))
    store.overwrite(replace(SILVER, schema=newer), "2024-09-02", later)
    catalogue.refresh(store.root, warehouse)
    assert first_column(warehouse, "SELECT note FROM silver.numbers ORDER BY number") == [None, "new"]
