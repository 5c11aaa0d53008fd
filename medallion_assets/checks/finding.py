"""What a check found: the figures and faults of some partitions, ready to be shown.

Belongs here: the shape that all checks answer in. Does not: what is looked at (the modules beside this one),
severities (kinds.py), or Dagster (asset_checks.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from medallion_assets.storage.store import PartitionStore

PARTITION = "partition"
# A fault's name, place and figures, by column. Texts of others may stand in it: it is only shown as a table.
Fault = Mapping[str, str | int | float | None]
# Looks at some materialized partitions of a table.
Look = Callable[[PartitionStore, list[str]], "Finding"]


@dataclass(frozen=True)
class Finding:
    """`judged` counts the partitions that there was something to say of; each fault names its own."""

    judged: int
    faults: tuple[Fault, ...] = ()
    figures: Mapping[str, int | float] = field(default_factory=dict)

    @staticmethod
    def of(judged: int, faults: Sequence[Fault], **figures: int | float) -> Finding:
        return Finding(judged, tuple(faults), figures)

    @property
    def passed(self) -> bool:
        return not self.faults

    @property
    def failing(self) -> list[str]:
        """The partitions with faults, ascending."""
        return sorted({str(fault[PARTITION]) for fault in self.faults if PARTITION in fault})


def short(sha256: str) -> str:
    """As much of a hash as names of files have: a whole one would widen a table past the page."""
    return sha256[:12]


def together(*looks: Look) -> Look:
    """What all of these find in the same partitions; the first one says of how many there is something."""

    def look(store: PartitionStore, keys: list[str]) -> Finding:
        found = [each(store, keys) for each in looks]
        faults = [fault for each in found for fault in each.faults]
        figures = {name: figure for each in found for name, figure in each.figures.items()}
        return Finding.of(found[0].judged, faults, **figures)

    return look


def by_table(found: Mapping[str, Finding]) -> Finding:
    """Those of many tables as one, each fault with its table."""
    faults = [{"table": table, **fault} for table, each in found.items() for fault in each.faults]
    figures: Counter[str] = Counter()
    for each in found.values():
        figures.update(each.figures)
    return Finding.of(sum(each.judged for each in found.values()), faults, **figures)
