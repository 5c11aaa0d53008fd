"""Which partitions are not what they would be if they were built now, and why.

Belongs here: the comparison of the store with its inputs and with the rules in force, as plain functions; the
store alone is asked, never what ran. Does not: what is started because of it (one_run.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from enum import Enum
from threading import Lock

from medallion_assets.extract.stage import BronzeStage
from medallion_assets.stage import Stage
from medallion_assets.stages import PipelineStages
from medallion_assets.storage import attempts
from medallion_assets.storage.manifest import Digests, Manifest
from medallion_assets.storage.still import State, StillStore, state
from medallion_assets.storage.store import Build, PartitionStore, Table

# Beginnings from the very same things; a partition that is not finished by then is left to a person.
MAX_ATTEMPTS = 3
NO_DAY = "1970-01-01"
Path = tuple[str, str]


class Cause(Enum):
    NEVER_BUILT = "never built"
    INPUTS = "other inputs"
    NEW = "not built yet: the table begins later"
    CONFIGURATION = "other configuration"
    CODE = "other code"
    SCHEMA = "other schema version"


# What people change, where the others are what data does. It may concern a whole history at once.
RULES = frozenset({Cause.NEW, Cause.CONFIGURATION, Cause.CODE, Cause.SCHEMA})
DATA = frozenset(Cause) - RULES
EVERY_CAUSE = frozenset(Cause)


@dataclass(frozen=True)
class Outdated:
    """Why a partition is outdated, from what it would be built, and how often that was begun in vain."""

    cause: Cause
    digests: Digests
    attempts: int = 0

    @property
    def given_up(self) -> bool:
        return self.attempts >= MAX_ATTEMPTS


@dataclass(frozen=True)
class Judgement:
    """A table's outdated partitions, or why they can't be told; `present` are all that can be asked for."""

    outdated: Mapping[str, Outdated] = field(default_factory=dict)
    present: frozenset[str] = frozenset()
    error: str | None = None

    def between(self, first: str, last: str) -> Judgement:
        """Of these dates alone: what rollouts lead to is due a day later, which may be tomorrow."""
        outdated = {key: each for key, each in self.outdated.items() if first <= key <= last}
        return Judgement(outdated, frozenset(key for key in self.present if first <= key <= last), self.error)


def judge(stage: Stage, store: StillStore) -> Judgement:
    """Of all partitions that there are and that the inputs ask for."""
    keys = sorted(stage.due(store))
    built, begun = store.keys(stage.table), attempts.state(store.place, stage.table)
    first_built = min(built, default=None)
    outdated = {}
    for key in keys:
        now, then = _digests_now(stage, store, key), store.manifest(stage.table, key)
        if now is None or (then is not None and then.digests == now):
            continue
        cause = (
            _cause_of_missing(stage, store, key, first_built) if then is None else _cause(stage, then, now)
        )
        tried = attempts.attempts(store.place, stage.table, key, now) if key in begun else 0
        outdated[key] = Outdated(cause, now, tried)
    return Judgement(outdated, frozenset((*keys, *built)))


def attempts_at(stage: Stage, store: PartitionStore, key: str) -> int:
    """How often the partition was begun from what it would be built from now, in vain."""
    now = _digests_now(stage, store, key)
    return attempts.attempts(store.place, stage.table, key, now) if now else 0


def _digests_now(stage: Stage, store: PartitionStore, key: str) -> Digests | None:
    build = stage.build(store, key)
    return build.digests() if isinstance(build, Build) else None


def _cause(stage: Stage, then: Manifest, now: Digests) -> Cause:
    if then.schema_version != stage.table.schema.version:
        return Cause.SCHEMA
    if then.digests.code != now.code:
        return Cause.CODE
    return Cause.CONFIGURATION if then.digests.config != now.config else Cause.INPUTS


def _cause_of_missing(stage: Stage, store: PartitionStore, key: str, first_built: str | None) -> Cause:
    """A versioned table has what the rules before made beside it."""
    table = stage.table
    versions = store.versions(table.layer, table.name) if table.version else []
    if any(key in store.keys(replace(table, version=version)) for version in versions):
        return Cause.CONFIGURATION
    return Cause.NEW if first_built is None or key < first_built else Cause.NEVER_BUILT


class Survey:
    """Judges every table, and again only those whose manifests, inputs or rules are others than before.

    Shared by all who ask within a process; what is remembered is but a saving of time.
    """

    def __init__(self, stages: PipelineStages, store: PartitionStore, *, first: date) -> None:
        """`first` is the first landing date; the last one is today's."""
        built = (stage for stage in stages.all() if not isinstance(stage, BronzeStage))
        self._stages = {stage.asset_path: stage for stage in built}
        self._store = store
        self._first = first.isoformat()
        self._remembered: dict[Path, tuple[object, Judgement]] = {}
        self._lock = Lock()

    def look(self) -> dict[Path, Judgement]:
        """By table, in the order in which data flows. One that can't be judged does not hide the others."""
        with self._lock:
            still = StillStore(self._store)
            states = _States(still)
            return {path: self._judgement(stage, still, states) for path, stage in self._stages.items()}

    def look_at(self, path: Path) -> Judgement:
        """One table alone, which takes a fraction of the time."""
        with self._lock:
            still = StillStore(self._store)
            return self._judgement(self._stages[path], still, _States(still))

    def _judgement(self, stage: Stage, still: StillStore, states: _States) -> Judgement:
        try:
            # Before judging: what changes meanwhile makes another state, and is judged the next time.
            seen = self._what_decides(stage, still, states)
            before = self._remembered.get(stage.asset_path)
            if before is None or before[0] != seen:
                before = (seen, judge(stage, still))
                self._remembered[stage.asset_path] = before
        except Exception as error:  # a tokenizer that is gone, a manifest that is damaged
            return Judgement(error=f"{type(error).__name__}: {error}")
        return before[1].between(self._first, datetime.now(UTC).date().isoformat())

    def _what_decides(self, stage: Stage, still: StillStore, states: _States) -> object:
        """The rules are those of a day that nothing landed on."""
        rules = _digests_now(stage, still, NO_DAY)
        tried = attempts.state(still.place, stage.table)
        return rules, tried, [states(table) for table in (stage.table, *stage.inputs)]


class _States:
    """Each table is looked at once, and where it lies too: other rules may have moved it."""

    def __init__(self, store: PartitionStore) -> None:
        self._store = store
        self._seen: dict[str, State] = {}

    def __call__(self, table: Table) -> tuple[str, State]:
        folder = str(self._store.table_folder(table))
        if folder not in self._seen:
            self._seen[folder] = state(self._store, table)
        return folder, self._seen[folder]


def landed_days(stages: PipelineStages, store: PartitionStore) -> set[date]:
    """Dates with an export that bronze lacks."""
    still = StillStore(store)
    return {day for bronze in stages.bronze() for day in bronze.missing(still, bronze.inventory(still))}
