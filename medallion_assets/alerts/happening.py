"""What was seen: of something that is watched, that it failed and why, or that it is well again.

Belongs here: the words that all of alerts speaks. Does not: whether it is news (ledger.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    CHECK = "check"
    RUN = "run"
    AUTOMATION = "automation"  # a sensor or a schedule
    DAEMON = "daemon"


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Subject:
    """Something watched. `key` names it for ever; `link` is its page, below the UI's address."""

    kind: Kind
    key: str
    title: str
    link: str


@dataclass(frozen=True, order=True)
class Span:
    """Partitions, both ends included; the default is all of them, even those to come."""

    first: str = ""
    last: str = "\U0010ffff"

    def covers(self, other: Span) -> bool:
        return self.first <= other.first and other.last <= self.last

    @property
    def shown(self) -> str:
        if self == EVERYTHING:
            return ""
        return self.first if self.first == self.last else f"{self.first} to {self.last}"


EVERYTHING = Span()


@dataclass(frozen=True)
class Trouble:
    """What is wrong. `reason` is for people; equal `fingerprint`s say that nothing new came to it."""

    severity: Severity
    reason: str
    fingerprint: str


@dataclass(frozen=True)
class Happening:
    """That a subject failed over these partitions, or, without trouble, that it is well there."""

    subject: Subject
    at: float
    spans: tuple[Span, ...] = (EVERYTHING,)
    trouble: Trouble | None = None
    link: str | None = None  # where it happened: the run's page
