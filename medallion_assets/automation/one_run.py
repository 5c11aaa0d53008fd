"""What one run is asked for, so that it settles what is outdated and all that this makes outdated.

A run that settles builds, of each of its tables, every outdated partition, whatever gaps lie between: so it
is asked for one landing date, and a year takes one run. Belongs here: which date and which tables. Does not:
what is outdated (settle.py), or how a run is started (conditions.py, jobs.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from medallion_assets.extract.stage import BronzeStage
from medallion_assets.stages import PipelineStages

Path = tuple[str, str]
Keys = Mapping[Path, Collection[str]]


@dataclass(frozen=True)
class Flow:
    """Every table but bronze, in the order in which data flows, with all that it is made of."""

    above: Mapping[Path, frozenset[Path]]

    @staticmethod
    def of(stages: PipelineStages) -> Flow:
        above: dict[Path, frozenset[Path]] = {}
        for stage in stages.all():
            if not isinstance(stage, BronzeStage):
                inputs = {(table.layer, table.name) for table in stage.inputs} & set(above)
                above[stage.asset_path] = frozenset(inputs).union(*(above[path] for path in inputs))
        return Flow(above)


@dataclass(frozen=True)
class Run:
    key: str
    paths: tuple[Path, ...]


def runs(flow: Flow, ready: Keys, askable: Keys) -> Iterator[Run]:
    """One after the other until nothing is left that may be built; mostly one."""
    left = {path: keys for path, keys in ready.items() if keys}
    while (run := one_run(flow, left, askable)) is not None:
        yield run
        left = {path: keys for path, keys in left.items() if path not in run.paths}
        askable = {path: keys for path, keys in askable.items() if path not in run.paths}


def one_run(flow: Flow, ready: Keys, askable: Keys) -> Run | None:
    """Over `ready`, the outdated partitions that may be built, and what is made of them.

    `askable` has each table's partitions that a run may be asked for; the date is one that the most have.
    """
    first = [path for path, above in flow.above.items() if ready.get(path) and not _any_ready(above, ready)]
    dates = {key for path in first for key in askable.get(path, ())}
    found = (Run(key, _tables(flow, ready, askable, key)) for key in sorted(dates))
    return max(found, key=lambda run: (len(run.paths), _outdated_at(run, ready)), default=None)


def _tables(flow: Flow, ready: Keys, askable: Keys, key: str) -> tuple[Path, ...]:
    """A table waits while one above it is ready and not in the run: it would be built twice."""
    chosen: list[Path] = []
    for path, above in flow.above.items():
        touched = ready.get(path) or not above.isdisjoint(chosen)
        waits = any(ready.get(other) and other not in chosen for other in above)
        if touched and not waits and key in askable.get(path, ()):
            chosen.append(path)
    return tuple(chosen)


def _outdated_at(run: Run, ready: Keys) -> int:
    return sum(run.key in ready.get(path, ()) for path in run.paths)


def _any_ready(paths: Collection[Path], ready: Keys) -> bool:
    return any(ready.get(path) for path in paths)
