"""What lands during a soak, as a seeded plan: which exports, how well or badly delivered, in which order.

Belongs here: the plan and its steps. Does not: the folders that steps act on (ground.py), or Dagster.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any, Protocol

from medallion_assets_tests.pipeline.sample import alpaca, chat
from medallion_assets_tests.pipeline.units_sample import pair, rl_prompt
from medallion_assets_tests.soak.pipeline import DAYS

FEWEST_ROWS, MOST_ROWS = 10, 40
REPEATED, BAD, UNDATED = 0.1, 0.03, 0.2
# How many steps after the first half of a delivery its second half comes.
SOONEST, LATEST = 2, 12
FAULTS_AT = (0.25, 0.65)
Timed = tuple[float, "Step"]


@dataclass(frozen=True)
class Export:
    """A file as it lands in its source's folder; `rows` is how many bronze holds of it."""

    source: str
    name: str
    content: bytes
    rows: int

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


class Site(Protocol):
    """What a step may do."""

    def put(self, export: Export, name: str) -> None: ...
    def begin(self, export: Export) -> None: ...
    def complete(self, export: Export) -> None: ...
    def holds(self, export: Export) -> bool: ...
    def break_format(self) -> None: ...
    def heal_format(self) -> None: ...
    def has_failed(self) -> bool: ...


@dataclass(frozen=True)
class Step:
    """One thing that happens, once it is ready; `landed` is what bronze holds at the end because of it."""

    kind: str
    act: Callable[[Site], None]
    landed: Export | None = None
    ready: Callable[[Site], bool] = lambda site: True


def plan(exports: int, seed: int) -> list[Step]:
    """Steps that land so many different exports. The same each time, but for the dates."""
    random, timed, landed = Random(seed), list[Timed](), 0
    while landed < exports:
        at = float(len(timed))
        deliver = random.choices(WAYS, SHARES)[0]
        new = list(deliver(_export(random, landed), at, at + random.randint(SOONEST, LATEST)))
        landed += sum(step.landed is not None for _, step in new)
        timed += new
    length = max(at for at, _ in timed)
    for share in FAULTS_AT:
        timed.append((share * length, Step("format broken", lambda site: site.break_format())))
        healed = Step("format healed", lambda site: site.heal_format(), ready=lambda site: site.has_failed())
        timed.append((share * length + 1, healed))
    return [step for _, step in sorted(timed, key=lambda each: each[0])]


def _whole(export: Export, now: float, later: float) -> Iterator[Timed]:
    yield now, Step("whole", lambda site: site.put(export, export.name), export)


def _half_written(export: Export, now: float, later: float) -> Iterator[Timed]:
    yield now, Step("half-written", lambda site: site.begin(export))
    yield later, Step("completed", lambda site: site.complete(export), export)


def _twice(export: Export, now: float, later: float) -> Iterator[Timed]:
    yield now, Step("whole", lambda site: site.put(export, export.name), export)
    name = export.name.replace(".jsonl", "-again.jsonl")
    yield later, Step("the same bytes again", lambda site: site.put(export, name))


def _truncated(export: Export, now: float, later: float) -> Iterator[Timed]:
    content = gzip.compress(export.content, mtime=0)
    name = f"{export.name}.gz"
    cut = Export(export.source, name, content[: len(content) // 2], rows=1)
    whole = Export(export.source, name, content, export.rows)
    yield now, Step("truncated", lambda site: site.put(cut, name), cut)
    yield later, _replacement("made whole", cut, whole)


def _changed(export: Export, now: float, later: float) -> Iterator[Timed]:
    other = Export(export.source, export.name, export.content + b"{one line more\n", export.rows + 1)
    yield now, Step("whole", lambda site: site.put(export, export.name), export)
    yield later, _replacement("changed under its name", export, other)


def _replacement(kind: str, old: Export, new: Export) -> Step:
    """Only once bronze holds the old one: what nobody saw has not landed."""
    return Step(kind, lambda site: site.put(new, new.name), new, lambda site: site.holds(old))


WAYS = (_whole, _half_written, _twice, _truncated, _changed)
SHARES = (60, 12, 8, 10, 10)


def _export(random: Random, number: int) -> Export:
    source = random.choice(sorted(ROWS))
    count = random.randint(FEWEST_ROWS, MOST_ROWS)
    lines = [_line(random, source, number, row) for row in range(count)]
    folder = "" if random.random() < UNDATED else f"{random.choice(DAYS)}/"
    return Export(source, f"{folder}{number:04}.jsonl", "".join(lines).encode(), count)


def _line(random: Random, source: str, number: int, row: int) -> str:
    """Mostly new; some that another export may have too; some that are no JSON."""
    if random.random() < BAD:
        return "{cut\n"
    name = f"common {random.randint(0, 200)}" if random.random() < REPEATED else f"{number} {row}"
    return json.dumps(ROWS[source](name)) + "\n"


ROWS: dict[str, Callable[[str], dict[str, Any]]] = {
    "alpaca": lambda name: alpaca(f"what is {name}", f"it is {name} and nothing else"),
    "chats": lambda name: chat(f"hello {name}", f"good day {name}", f"and {name}", f"well {name}"),
    "pairs": lambda name: pair(f"choose {name}", f"the better {name}", f"the worse {name}"),
    "prompts": lambda name: rl_prompt(f"add up {name}", str(len(name))),
}
