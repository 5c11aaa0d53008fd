"""How far a long step is, said in plain words and not too often.

Belongs here: counting, and when to speak. Does not: where it is said; whoever runs the step gives a function.
Work that is far from there reports rows with `reading` and `advance`, which do nothing where nobody listens.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

SECONDS_BETWEEN = 10.0


class Progress:
    """One table's partitions, one after another, with the rows of the one at work."""

    def __init__(
        self,
        table: str,
        partitions: int,
        say: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._table, self._partitions, self._say, self._clock = table, partitions, say, clock
        self._key = ""
        self._elsewhere: Sequence[str] = ()
        self._done = 0
        self._at = 0
        self._of: int | None = None
        self._rows_since = 0
        self._said = clock()

    def start(self, key: str) -> None:
        """Work on this partition begins."""
        self._key, self._at, self._of = key, 0, None

    def at_work(self, tasks: Sequence[str]) -> None:
        """These are made in workers now."""
        self._elsewhere = tasks
        self._speak_if_due()

    def finish(self) -> None:
        """Work on the partition is done."""
        self._done += 1
        self._key = ""
        self._speak_if_due()

    def reading(self, rows: int) -> None:
        """A file of so many rows comes next."""
        self._at, self._of = 0, rows

    def advance(self, rows: int) -> None:
        self._at += rows
        self._rows_since += rows
        self._speak_if_due()

    def _speak_if_due(self) -> None:
        now = self._clock()
        if now - self._said >= SECONDS_BETWEEN:
            self._say(self._so_far(now - self._said))
            self._said, self._rows_since = now, 0

    def _so_far(self, seconds: float) -> str:
        done = f"{self._done} of {self._partitions} partitions done"
        rate = f"{self._rows_since / seconds:,.0f} rows a second"
        if not self._key:
            at_work = f"; at work: {', '.join(self._elsewhere)}" if self._elsewhere else ""
            return f"{self._table}: {done}, {rate}{at_work}"
        of = "" if self._of is None else f" of {self._of:,}"
        return f"{self._table} {self._key}: at row {self._at:,}{of}, {rate}; {done}"


_listening: ContextVar[Progress | None] = ContextVar("progress", default=None)


@contextmanager
def heard_by(progress: Progress) -> Iterator[Progress]:
    """What the body reads is reported to this one."""
    token = _listening.set(progress)
    try:
        yield progress
    finally:
        _listening.reset(token)


def reading(rows: int) -> None:
    if progress := _listening.get():
        progress.reading(rows)


def advance(rows: int) -> None:
    if progress := _listening.get():
        progress.advance(rows)
