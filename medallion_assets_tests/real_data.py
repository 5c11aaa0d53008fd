"""Real public data sets for tests, where the machine has them; never part of the product."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent


def real_data(name: str) -> Path:
    """A file below MEDALLION_TEST_DATA, by default ../shared/data; skips the test where it is absent."""
    folder = Path(os.environ.get("MEDALLION_TEST_DATA") or PROJECT / "../shared/data").resolve()
    path = folder / name
    if not path.is_file():
        pytest.skip(f"the real data file {name!r} is not in {folder}; set MEDALLION_TEST_DATA to its folder")
    return path
