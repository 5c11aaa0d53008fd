"""What a sensor remembers from one tick to the next, by name, as the text that Dagster keeps for it.

Belongs here: writing and reading it. Does not: what is remembered (watch.py, streams.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

T = TypeVar("T")


def written(remembered: Mapping[str, T]) -> str:
    return msgspec.json.encode(remembered, order="deterministic").decode()


def remembered(cursor: str | None, kind: type[T]) -> dict[str, T]:
    """A cursor of another version is as good as none: everything is told once more."""
    try:
        return msgspec.json.decode(cursor or "{}", type=dict[str, kind])  # type: ignore[valid-type]
    except msgspec.DecodeError:
        return {}
