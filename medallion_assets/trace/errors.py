"""Why a trace can't be given.

TraceError
├── NotFound           nothing in the store answers to that name, id or number
├── Ambiguous          more than one thing does
└── DamagedPartition   a file of the store is missing, cut or unreadable
"""

from __future__ import annotations

from collections.abc import Sequence

MAX_LISTED = 10


class TraceError(Exception):
    """What was looked for, where, and what to do next."""


class NotFound(TraceError):
    """Nothing in the store answers to that."""


class Ambiguous(TraceError):
    """More than one thing answers to that; `choices` says which."""

    def __init__(self, what: str, choices: Sequence[str], *, instead: str) -> None:
        more = f"\n  and {len(choices) - MAX_LISTED} more" if len(choices) > MAX_LISTED else ""
        listed = "".join(f"\n  {choice}" for choice in choices[:MAX_LISTED])
        super().__init__(f"{what}; {instead}:{listed}{more}")


class DamagedPartition(TraceError):
    """A partition whose files are not what its manifest says."""

    def __init__(self, table: str, key: str, why: str) -> None:
        super().__init__(
            f"{table} partition {key} is damaged: {why}; make it again: {materialize(table, key)}"
        )


def materialize(table: str, key: str) -> str:
    """The command that fills a partition."""
    return f"dagster asset materialize --select {table} --partition {key}"
