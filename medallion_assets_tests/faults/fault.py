"""A fault that is done to the pipeline on purpose, and the promise that must hold nevertheless.

Belongs here: what a fault is, trying it, and the figures of that. Does not: any fault (the other modules),
or which there are (table.py).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

# What a promise is called in the table.
PROMISES = {
    "A": "conservation: every record goes on or is a reject, by its identity",
    "B": "whole generations: what is read is one generation, all of it",
    "C": "a rerun ends in the bytes of a run that nothing happened to",
    "D": "the old generation stays intact until the new one is there",
}
Injection = Callable[[Path, Iterable[int]], Iterator[str | None]]


class NotHere(Exception):
    """This machine, or this user, can't have that fault; the message says why."""


@dataclass(frozen=True)
class Fault:
    """`inject` takes a folder of its own and seeds, and yields for each what was violated, or None.

    `rows` are those of the fault matrix. `quick` and `full` are how many injections each profile makes.
    """

    name: str
    rows: str
    promise: str
    inject: Injection
    quick: int
    full: int


@dataclass(frozen=True)
class Violation:
    fault: str
    seed: int
    what: str

    def __str__(self) -> str:
        again = f"python -m medallion_assets_tests.faults {self.fault} --seed {self.seed}"
        return f"{self.fault}, seed {self.seed}: {self.what}\n  again: {again}"


@dataclass(frozen=True)
class Tried:
    """What became of a fault. `not_here` says why it was not tried."""

    fault: Fault
    injections: int
    violations: tuple[Violation, ...]
    seconds: float
    not_here: str | None = None


def tried(
    fault: Fault,
    seeds: Iterable[int],
    ground: Path,
    progress: Callable[[int, Violation | None], None] = lambda done, violation: None,
) -> Tried:
    """Goes on after a violation. An injection that raises is one too, and ends the fault."""
    began, done, found = time.monotonic(), 0, []
    seeds = list(seeds)
    try:
        for seed, what in zip(seeds, fault.inject(ground, seeds), strict=True):
            done += 1
            violation = None if what is None else Violation(fault.name, seed, what)
            found += filter(None, [violation])
            progress(done, violation)
    except NotHere as why:
        return Tried(fault, done, tuple(found), time.monotonic() - began, str(why))
    except Exception as error:
        seed = seeds[min(done, len(seeds) - 1)]
        found.append(Violation(fault.name, seed, f"{type(error).__name__}: {error}"))
    return Tried(fault, done, tuple(found), time.monotonic() - began)


def chance(name: str, seed: int) -> random.Random:
    """The same for the same seed, on every machine and in every process."""
    return random.Random(f"{name} {seed}")
