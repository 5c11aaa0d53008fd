"""An audit: is every file of a release what was released, and does bronze still lead to the same bytes?

Belongs here: the order of questions. Does not: hashing (verify.py), building (rebuild.py), what differs
(differences.py) or looking at pins (drift.py).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from medallion_assets.release.compare import unreadable_place
from medallion_assets.release.differences import (
    Difference,
    SilverRows,
    altered_files,
    files_that_differ,
    partitions_that_differ,
    pins_that_differ,
)
from medallion_assets.release.drift import (
    ABSENT,
    Drift,
    Today,
    code_drift,
    configuration_drift,
    library_drift,
    tokenizer_drift,
)
from medallion_assets.release.lineage import Lineage
from medallion_assets.release.manifest import MANIFEST_NAME, PinnedExport, Release
from medallion_assets.release.pins import TOKENIZERS, environment_of, pinned_exports
from medallion_assets.release.rebuild import bronze_of, pinned_lineage, rebuilt
from medallion_assets.release.verify import altered, strangers
from medallion_assets.storage import files
from medallion_assets.storage.store import PartitionStore


@dataclass(frozen=True)
class Audit:
    """`differences` fail it; `drifts` are pins that are others today without having made a difference.

    `skipped` says why it was not built again, where it was not.
    """

    name: str
    release_id: str
    files: int
    exports: int
    differences: tuple[Difference, ...]
    drifts: tuple[Drift, ...]
    skipped: str | None

    @property
    def passed(self) -> bool:
        return not self.differences and self.skipped is None


def audit(release: Release, store: PartitionStore, today: Today | None) -> Audit:
    """Everything that can be said of the release, from its files and from the bronze of the store.

    Without `today`, nothing is said of what is configured now.
    """
    wrong = altered(release) | dict.fromkeys(strangers(release), "is not part of the release")
    exports = list(_altered_exports(release, store))
    with _scratch(release, store) as scratch:
        try:
            lineage = pinned_lineage(release, scratch)
        except ValidationError as error:
            why = f"today's code does not read the pinned configuration: {error}"
            return _audit(release, [*exports, *altered_files(release, wrong)], [], skipped=why)
        drifts = list(_drifts(release, lineage, store, today))
        if obstacle := _obstacle(wrong, exports):
            return _audit(release, [*exports, *altered_files(release, wrong)], drifts, skipped=obstacle)
        again = rebuilt(release, store, scratch)
        rows = SilverRows(lineage, store, PartitionStore(scratch))
        differences = [
            *altered_files(release, wrong, again),
            *partitions_that_differ(release, again, rows),
            *files_that_differ(release, again, known=wrong),
            *pins_that_differ(release, again),
            *_exports_told_otherwise(release, lineage, store),
        ]
        return _audit(release, differences, drifts)


def _audit(
    release: Release,
    differences: Sequence[Difference],
    drifts: Sequence[Drift],
    *,
    skipped: str | None = None,
) -> Audit:
    files_, exports = len(release.manifest.files), len(release.manifest.exports)
    return Audit(
        release.manifest.name, release.id, files_, exports, tuple(differences), tuple(drifts), skipped
    )


def _drifts(
    release: Release, lineage: Lineage, store: PartitionStore, today: Today | None
) -> Iterator[Drift]:
    then, now = release.manifest, environment_of(lineage)
    pinned = {(export.source, export.sha256) for export in then.exports}
    for export in pinned_exports(lineage, store):
        if (export.source, export.sha256) not in pinned:
            yield Drift("data", _bronze(export), ABSENT, export.file)
    if today is not None:
        yield from configuration_drift(then.configuration, today.configuration)
        yield from tokenizer_drift(then.tokenizers, today.tokenizers)
    yield from library_drift(then.environment, now)
    yield from code_drift(then.environment, now)


def _altered_exports(release: Release, store: PartitionStore) -> Iterator[Difference]:
    for export in release.manifest.exports:
        place = bronze_of(export)
        if wrong := store.wrong(*place):
            path = store.as_stored(*place)
            location = unreadable_place(path) if path.exists() else None
            what = f"{export.part} of the export {export.sha256} ({export.file!r}) {wrong}"
            yield Difference("data", _bronze(export), what, location)


def _exports_told_otherwise(
    release: Release, lineage: Lineage, store: PartitionStore
) -> Iterator[Difference]:
    """A rebuild takes what the manifest says of its exports; bronze's own manifests know better."""
    known = {export.place: export for export in pinned_exports(lineage, store)}
    for export in release.manifest.exports:
        if known.get(export.place, export) != export:
            what = f"what is said of the export {export.sha256} ({export.file!r}) is not what bronze says"
            yield Difference("data", MANIFEST_NAME, what)


def _bronze(export: PinnedExport) -> str:
    return f"bronze/{export.source} {export.landing_date}"


def _obstacle(wrong: dict[str, str], exports: list[Difference]) -> str | None:
    if exports:
        return "bronze is not what the release was made of"
    if any(path.startswith(f"{TOKENIZERS}/") for path in wrong):
        return "the tokenizer that the release keeps is not what it was made with"
    return None


@contextmanager
def _scratch(release: Release, store: PartitionStore) -> Iterator[Path]:
    """On the store's own disk, since a rebuild is as large as the store; one audit of a release at a time."""
    name = f"audit-{release.manifest.name}"
    folder = store.root / ".scratch" / name
    with files.exclusive_lock(store.root / ".locks" / "releases" / f"{name}.lock"):
        try:
            shutil.rmtree(folder, ignore_errors=True)  # of one that was killed
            files.make_folder(folder)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
