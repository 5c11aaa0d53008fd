"""Modules are left out of garbage collection, where that leaves nothing for DuckDB to complain of."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(("first", "kept"), [("json", True), ("duckdb", False)])
def test_modules_are_kept_from_the_garbage_collector_unless_duckdb_is_among_them(
    first: str, *, kept: bool
) -> None:
    script = f"""
import {first}, gc
from medallion_assets import build_pipeline
print(gc.get_freeze_count() > 0)
import duckdb
duckdb.sql("SELECT 1").fetchall()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (f"{kept}\n", "")
