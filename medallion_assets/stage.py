"""The contract of a stage: it fills one table, a partition at a time, as a pure function of what it names.

Belongs here: the protocol, what settles, and the digest of a stage's code. Does not: any stage's work, which
lives with its subject (extract/, conform/, curate/, package/), nor Dagster (assets/).
"""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Protocol

from medallion_assets.storage.still import StillStore
from medallion_assets.storage.store import Append, Build, PartitionStore, Table


class Stage(Protocol):
    """Fills `table` from `inputs`. `code_version` changes whenever the same inputs might give other rows.

    `asset_path` names the table as (layer, name) without looking at any file, as `table` may have to.
    """

    @property
    def asset_path(self) -> tuple[str, str]: ...

    @property
    def table(self) -> Table: ...

    @property
    def inputs(self) -> tuple[Table, ...]: ...

    @property
    def code_version(self) -> str: ...

    @property
    def config_version(self) -> str:
        """Changes whenever the configuration might."""
        ...

    def due(self, store: PartitionStore) -> set[str]:
        """The partitions that the inputs ask for: theirs, unless it fills a later one."""
        ...

    def reach(self, store: PartitionStore, asked: list[str]) -> list[str]:
        """The partitions, beside those asked for, that the same run may have to build anew."""
        ...

    def build(self, store: PartitionStore, key: str) -> Build | Append: ...


class OtherTable(RuntimeError):
    """A stage that fills another version of its table where it was sent than where it came from."""

    def __init__(self, here: Table, there: Table) -> None:
        super().__init__(
            f"{here.full_name} would have the version {here.version} here, and {there.version} where the run "
            "began: a tokenizer's files differ between the two"
        )


@dataclass(frozen=True)
class StagePartition:
    """How to build a partition of the stage's table, as a value that another process can take."""

    stage: Stage
    table: Table
    key: str

    def __call__(self, store: PartitionStore) -> Build | Append:
        if self.stage.table != self.table:
            raise OtherTable(self.stage.table, self.table)
        return self.stage.build(store, self.key)


def partitions_to_settle(stage: Stage, store: PartitionStore, asked: list[str]) -> list[str]:
    """Partitions that the asked ones made stale: built by the present rules, on other inputs.

    A silver day depends on every day before it, so a run for an early day settles the later ones that are
    there already. Days built by other rules stay as they are until someone backfills them.
    """
    still = StillStore(store)
    return [key for key in stage.reach(still, asked) if is_outdated(stage, still, key, same_rules=True)]


def later_partitions(stage: Stage, store: PartitionStore, asked: list[str]) -> list[str]:
    """Those after the first asked for that are there and not asked for themselves."""
    first = min(asked)
    return [key for key in store.keys(stage.table) if key > first and key not in asked]


def other_partitions(stage: Stage, store: PartitionStore, asked: list[str]) -> list[str]:
    """All that are there and not asked for: cheap where each looks at its own day alone."""
    return [key for key in store.keys(stage.table) if key not in asked]


def is_outdated(stage: Stage, store: PartitionStore, key: str, *, same_rules: bool = False) -> bool:
    """Whether building the partition now could change it; with `same_rules`, only for its inputs' sake."""
    manifest = store.manifest(stage.table, key)
    build = stage.build(store, key)
    if isinstance(build, Append):
        held = {part.export for part in manifest.parts} if manifest else set()
        return manifest is None or not held.issuperset(build.parts)
    if manifest is None:
        return True
    now, then = build.digests(), manifest.digests
    if same_rules:
        return now.inputs != then.inputs and (now.code, now.config) == (then.code, then.config)
    return now != then


@cache
def code_digest(modules: tuple[str, ...], libraries: tuple[str, ...] = ()) -> str:
    """Digest of these modules' and packages' sources, and of the libraries that shape their output."""
    digest = hashlib.sha256(f"Unicode {unicodedata.unidata_version}\0".encode())
    for module in sorted(modules):
        for name, content in sorted(_sources(module)):
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
    for library in sorted(libraries):
        digest.update(f"{library}=={version(library)}\0".encode())
    return digest.hexdigest()[:16]


def _sources(module: str) -> list[tuple[str, bytes]]:
    package, _, name = module.rpartition(".")
    folder = files(package)
    single = folder / f"{name}.py"
    if single.is_file():
        return [(module, single.read_bytes())]
    return [
        (f"{module}.{item.name}", item.read_bytes())
        for item in (folder / name).iterdir()
        if item.name.endswith(".py")
    ]
