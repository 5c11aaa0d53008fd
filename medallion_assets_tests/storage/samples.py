"""A small table, builds of it, and child processes that write it: what the store's tests share."""

from __future__ import annotations

import hashlib
import itertools
import multiprocessing
import os
from collections.abc import Callable, Iterable
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pyarrow as pa

from medallion_assets.schemas import REJECTS, Column, TableSchema
from medallion_assets.storage.files import TEMPORARY_PREFIX
from medallion_assets.storage.manifest import Digests
from medallion_assets.storage.store import Append, Build, PartitionStore, PartitionWriter, Table

NUMBERS = TableSchema("numbers", 1, (Column("number", pa.int64(), "Any number."),), row_group_rows=8)
SILVER = Table("silver", "numbers", NUMBERS)
BRONZE_LOG = Table("bronze", "log", NUMBERS, append_only=True)
DAY = "2024-09-01"
CHILD_SECONDS = 30
# The calls by which a write becomes durable or visible; a process can die before any of them.
STEPS = ("fsync", "replace", "rename", "link", "unlink", "mkdir", "rmdir", "utime")
DIED = 66

# Children are forked from a process that has only imported (Arrow imports pandas late): milliseconds each.
CHILDREN = multiprocessing.get_context("forkserver")
CHILDREN.set_forkserver_preload(["pytest", "pandas", "medallion_assets_tests.storage.samples"])


def gold(version: str) -> Table:
    return Table("gold", "packed", NUMBERS, version=version)


def numbers(values: Iterable[int]) -> pa.Table:
    return NUMBERS.table({"number": value} for value in values)


def rejects(count: int) -> pa.Table:
    """`count` rejects whose nullable columns are empty."""
    given = {"stage": "conform", "reason": "too_odd", "detail": "", "source": "s", "export_sha256": "e"}
    return REJECTS.table(
        {**given, "landing_date": pa.scalar(0, pa.date32()).as_py(), "record_number": number, "line": number}
        for number in range(1, count + 1)
    )


def digests_of(value: object) -> Digests:
    return Digests(inputs=repr(value), code="c", config="")


def build_of(*values: int, rejected: int = 0) -> Build:
    """A build of these numbers, known by them."""

    def write(writer: PartitionWriter) -> None:
        writer.rows(numbers(values))
        if rejected:
            writer.rejects(rejects(rejected))

    return Build(lambda: digests_of((values, rejected)), write)


def append_of(**exports: list[int]) -> Append:
    parts = {label: partial(_one_batch, values) for label, values in exports.items()}
    return Append(parts, summary=lambda label: {"file": f"{label}.jsonl"})


def _one_batch(values: list[int]) -> list[pa.Table]:
    return [numbers(values)]


def rows_of(store: PartitionStore, table: Table, key: str = DAY) -> list[int]:
    return [row for batch in store.batches(table, key) for row in batch.column("number").to_pylist()]


def contents(root: Path) -> dict[str, bytes]:
    """Every file below `root` with its bytes, lock files left out."""
    found = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found if path.suffix != ".lock"}


def temporaries(root: Path) -> list[str]:
    return [path.name for path in root.rglob(f"{TEMPORARY_PREFIX}*")]


def start(target: Callable[..., None], *arguments: Any) -> BaseProcess:
    child = CHILDREN.Process(target=target, args=arguments, daemon=True)
    child.start()
    return child


def exit_code_of(child: BaseProcess) -> int:
    child.join(CHILD_SECONDS)
    assert child.exitcode is not None, "the child hangs"
    return child.exitcode


def die_before(write: Callable[[Path], None], root: Path, nth: int) -> None:
    """Runs `write` and exits at once, as a crash would, before the nth step."""

    def before(number: int) -> None:
        if number == nth:
            os._exit(DIED)

    at_each_step(before)
    write(root)


def at_each_step(before: Callable[[int], None]) -> None:
    """From here on, `before` is called with each step's number before it happens."""
    count = itertools.count(1)

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            before(next(count))
            return function(*arguments, **options)

        return call

    for step in STEPS:
        setattr(os, step, counted(getattr(os, step)))


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
