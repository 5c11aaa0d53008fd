"""What a check found: the figures and faults of some partitions, ready to be shown.

Belongs here: the shape that all checks answer in. Does not: what is looked at (the modules beside this one),
severities (kinds.py), or Dagster (asset_checks.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

PARTITION = "partition"
# A fault's name, place and figures, by column. Texts of others may stand in it: it is only shown as a table.
Fault = Mapping[str, str | int | float | None]


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

    @property
    def example(self) -> str:
        """The first fault as a line: what its table says first."""
        return ", ".join(f"{name}: {value}" for name, value in self.faults[0].items())
