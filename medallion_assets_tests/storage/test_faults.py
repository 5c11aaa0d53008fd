"""Laws of crashes: whatever step a writer dies at, readers keep a whole generation and a rerun converges."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from medallion_assets.storage.manifest import MANIFEST_NAME
from medallion_assets.storage.store import Append, Build, PartitionStore, PartitionWriter, Table
from medallion_assets_tests.storage.samples import (
    BRONZE_LOG,
    CHILDREN,
    DAY,
    DIED,
    SILVER,
    append_of,
    build_of,
    contents,
    die_before,
    digests_of,
    exit_code_of,
    gold,
    numbers,
    rows_of,
    start,
    temporaries,
)

KILLED = -9


def write_first(root: Path) -> None:
    PartitionStore(root).overwrite(SILVER, DAY, build_of(*range(20)))


def write_second(root: Path) -> None:
    PartitionStore(root).overwrite(SILVER, DAY, build_of(*range(100, 130), rejected=2))


def append_first(root: Path) -> None:
    PartitionStore(root).append(BRONZE_LOG, DAY, append_of(m=[1, 2]))


def append_second(root: Path) -> None:
    PartitionStore(root).append(BRONZE_LOG, DAY, append_of(a=[3], m=[1, 2], z=[4, 5]))


def version_first(root: Path) -> None:
    PartitionStore(root).overwrite(gold("aa"), DAY, build_of(1))


def version_second(root: Path) -> None:
    PartitionStore(root).overwrite(gold("bb"), DAY, build_of(2))


def nothing(root: Path) -> None:
    """A store that nobody has written yet."""


def whole_rows(store: PartitionStore, table: Table) -> list[int]:
    """The rows of the partition, or none where it has not been made; its manifest must fit them."""
    manifest = store.manifest(table, DAY)
    if manifest is None:
        return []
    rows = rows_of(store, table)
    assert len(rows) == manifest.rows
    return rows


@pytest.mark.parametrize(
    ("before", "write", "table", "least_steps"),
    [
        (nothing, write_first, SILVER, 15),
        (write_first, write_second, SILVER, 9),
        (nothing, append_first, BRONZE_LOG, 12),
        (append_first, append_second, BRONZE_LOG, 9),
        (version_first, version_second, gold("bb"), 13),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_crash_at_any_step_leaves_a_whole_generation_and_a_rerun_converges(
    tmp_path: Path,
    before: Callable[[Path], None],
    write: Callable[[Path], None],
    table: Table,
    least_steps: int,
) -> None:
    before(tmp_path / "start")
    (tmp_path / "start").mkdir(exist_ok=True)
    shutil.copytree(tmp_path / "start", tmp_path / "expected")
    old = whole_rows(PartitionStore(tmp_path / "start"), table)
    write(tmp_path / "expected")
    new = whole_rows(PartitionStore(tmp_path / "expected"), table)
    PartitionStore(tmp_path / "expected").sweep(table, grace_seconds=0)
    nth, code = 0, DIED
    while code == DIED:
        nth += 1
        root = tmp_path / str(nth)
        shutil.copytree(tmp_path / "start", root)
        code = exit_code_of(start(die_before, write, root, nth))
        assert whole_rows(PartitionStore(root), table) in (old, new)
        assert all(
            whole_rows(PartitionStore(root), gold(path.read_text())) for path in root.rglob("_current")
        )
        write(root)
        PartitionStore(root).sweep(table, grace_seconds=0)
        assert contents(root) == contents(tmp_path / "expected")
    assert (code, nth > least_steps) == (0, True)


def overwrite_and_wait(root: Path, inside: Connection) -> None:
    def write(writer: PartitionWriter) -> None:
        writer.rows(numbers(range(100, 120)))
        inside.send("inside")
        inside.recv()  # until killed

    PartitionStore(root).overwrite(SILVER, DAY, Build(lambda: digests_of("killed"), write))


def append_and_wait(root: Path, inside: Connection) -> None:
    def rows() -> Any:
        yield numbers([3])
        inside.send("inside")
        inside.recv()  # until killed

    PartitionStore(root).append(BRONZE_LOG, DAY, Append({**append_of(a=[9]).parts, "z": rows}))


def kill_inside(target: Callable[[Path, Connection], None], root: Path) -> None:
    ours, theirs = CHILDREN.Pipe()
    child = start(target, root, theirs)
    assert ours.recv() == "inside"
    child.kill()
    assert exit_code_of(child) == KILLED


def test_a_writer_killed_inside_its_build_leaves_the_old_generation(tmp_path: Path) -> None:
    write_first(tmp_path)
    before = contents(tmp_path)
    kill_inside(overwrite_and_wait, tmp_path)
    store = PartitionStore(tmp_path)
    assert (rows_of(store, SILVER), len(temporaries(tmp_path))) == (list(range(20)), 2)
    assert len(store.sweep(SILVER)) == 2
    assert contents(tmp_path) == before


def test_a_rerun_after_a_kill_converges_and_clears_up(tmp_path: Path) -> None:
    for root in (tmp_path / "killed", tmp_path / "calm"):
        write_first(root)
    kill_inside(overwrite_and_wait, tmp_path / "killed")
    for root in (tmp_path / "killed", tmp_path / "calm"):
        write_second(root)
    assert contents(tmp_path / "killed") == contents(tmp_path / "calm")


def test_an_append_killed_midway_leaves_what_was_held_and_a_rerun_converges(tmp_path: Path) -> None:
    append_first(tmp_path)
    store = PartitionStore(tmp_path)
    manifest = (store.folder(BRONZE_LOG, DAY) / MANIFEST_NAME).read_bytes()
    kill_inside(append_and_wait, tmp_path)
    assert (store.folder(BRONZE_LOG, DAY) / MANIFEST_NAME).read_bytes() == manifest
    append_second(tmp_path)
    assert (rows_of(store, BRONZE_LOG), temporaries(tmp_path)) == ([3, 1, 2, 4, 5], [])


def test_the_sweep_removes_what_crashed_appends_left_and_no_more(tmp_path: Path) -> None:
    append_first(tmp_path)
    before = contents(tmp_path)
    kill_inside(append_and_wait, tmp_path)
    store = PartitionStore(tmp_path)
    orphans = temporaries(tmp_path)
    assert ([path.name for path in store.sweep(BRONZE_LOG)], len(orphans)) == (orphans, 1)
    assert len(store.sweep(BRONZE_LOG, grace_seconds=0)) == 1  # the whole part that no manifest names
    assert contents(tmp_path) == before
