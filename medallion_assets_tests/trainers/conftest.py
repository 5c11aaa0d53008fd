"""Marks what needs PyTorch and TRL, and skips it where they are not: `make trainers` brings them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
MISSING = [name for name in ("torch", "trl", "accelerate", "datasets") if find_spec(name) is None]
# TRL calls transformers by names that it gives up in its next version.
OLD_NAMES = "ignore:.*gradient_checkpointing:FutureWarning"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("trainers")
            item.add_marker(pytest.mark.filterwarnings(OLD_NAMES))
            if MISSING:
                reason = f"{', '.join(MISSING)} not installed here; run: make trainers"
                item.add_marker(pytest.mark.skip(reason=reason))
