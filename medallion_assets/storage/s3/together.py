"""Several requests under way at once: a bucket answers each late, and many as fast as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

# Writes hold what they send in memory.
GETS, PUTS = 16, 4

Asked = TypeVar("Asked")
Found = TypeVar("Found")


def together(
    function: Callable[[Asked], Found], wanted: Sequence[Asked], *, at_once: int = GETS
) -> list[Found]:
    """In the order asked for; the first error is raised."""
    if len(wanted) < 2:
        return [function(each) for each in wanted]
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(function, wanted))
