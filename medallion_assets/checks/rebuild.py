"""Partitions built again beside the store: the same inputs and rules must give the same bytes.

Belongs here: which partition of each table, building it in a scratch store, what differs. Does not: a release
as a whole, from bronze on (release/audit.py). Inputs are borrowed and never written to; what stages keep
beside the tables (buckets, proofs) is made anew.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

from medallion_assets.checks.finding import PARTITION, Fault, Finding
from medallion_assets.release.compare import Location, first_difference
from medallion_assets.stage import Stage, is_outdated
from medallion_assets.storage import files
from medallion_assets.storage.manifest import Manifest
from medallion_assets.storage.store import Beside, Build, PartitionStore

# A larger partition is built again only where its table has no smaller one: 100,000 conversations take 20 s.
MOST_ROWS = 100_000
# Partitions that are waiting to be settled are passed over, at most so many of a table.
MOST_TRIES = 5


@dataclass(frozen=True)
class Rebuilt:
    """A partition as it is, and as it came out."""

    table: str
    key: str
    then: Manifest
    now: Manifest
    difference: Location | None

    @property
    def fault(self) -> Fault:
        where = self.difference
        return {
            "table": self.table,
            PARTITION: self.key,
            "rows": self.then.rows,
            "rows_now": self.now.rows,
            "row": where.row if where else None,
            "column": where.column if where else None,
            "record_id": where.record_id if where else None,
            "what": where.what if where else "other rejects or fingerprints",
        }


def rebuilt_samples(stages: Sequence[Stage], store: PartitionStore, *, seed: str) -> Finding:
    """One partition of each table built again, chosen by the seed."""
    found = [
        again
        for stage in stages
        if not stage.table.append_only and (key := sample_of(stage, store, seed=seed))
        if (again := rebuilt(stage, store, key))
    ]
    faults = [each.fault for each in found if each.then.content_hash != each.now.content_hash]
    return Finding.of(len(found), faults, rows=sum(each.now.rows for each in found))


def sample_of(stage: Stage, store: PartitionStore, *, seed: str) -> str | None:
    """A partition that is as it would be built now, if the first few of this seed's order have one."""
    sizes = {
        key: manifest.rows + manifest.rejected_rows
        for key in store.keys(stage.table)
        if (manifest := store.manifest(stage.table, key))
    }
    small = [key for key, rows in sizes.items() if rows <= MOST_ROWS] or sorted(sizes, key=sizes.__getitem__)[
        :1
    ]
    chosen = Random(f"{seed} {stage.table.full_name}").sample(small, min(len(small), MOST_TRIES))  # noqa: S311  # a sample, no secret
    return next((key for key in chosen if not is_outdated(stage, store, key)), None)


def rebuilt(stage: Stage, store: PartitionStore, key: str) -> Rebuilt | None:
    """The partition as it is and as it comes out; None where it or its inputs were replaced meanwhile."""
    then = store.manifest(stage.table, key)
    with _beside(stage, store) as scratch:
        build = stage.build(scratch, key)
        if then is None or not isinstance(build, Build):
            return None
        now = scratch.overwrite(stage.table, key, build).manifest
        if now.digests != then.digests or store.manifest(stage.table, key) != then:
            return None
        difference = (
            _difference(stage, store, scratch, key) if now.content_hash != then.content_hash else None
        )
        return Rebuilt(stage.table.full_name, key, then, now, difference)


def _difference(stage: Stage, store: PartitionStore, scratch: PartitionStore, key: str) -> Location | None:
    for rejects in (False, True):
        paths = (each.paths(stage.table, key, rejects=rejects) for each in (store, scratch))
        for then, now in zip(*paths, strict=True):
            if then.name != now.name:
                return first_difference(then, now)
    return None


@contextmanager
def _beside(stage: Stage, store: PartitionStore) -> Iterator[PartitionStore]:
    """A store that has this stage's inputs alone."""
    folder = files.temporary_beside(store.root / ".scratch" / "rebuilt")
    try:
        folder.mkdir(parents=True)
        yield Beside(folder, lender=store, borrowed=stage.inputs)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
