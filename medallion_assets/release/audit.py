"""An audit: is every file of a release what was released, and does bronze still lead to the same bytes?

Belongs here: the order of questions, and what each answer is put down to. Does not: hashing (verify.py),
building (rebuild.py), looking at rows (compare.py) or at pins (drift.py).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from medallion_assets.release.compare import Location, first_difference, unreadable_place
from medallion_assets.release.drift import (
    Cause,
    Drift,
    Today,
    changed_tables,
    code_drift,
    configuration_drift,
    library_drift,
    tokenizer_drift,
)
from medallion_assets.release.manifest import PinnedExport, Release, ReleasedFile
from medallion_assets.release.pins import TOKENIZERS, environment_of
from medallion_assets.release.rebuild import bronze_part, pinned_lineage, rebuilt
from medallion_assets.release.verify import altered, what_is_wrong
from medallion_assets.storage import files
from medallion_assets.storage.store import PartitionStore

Kind = tuple[str | None, ...]


@dataclass(frozen=True)
class Difference:
    """Something that is not what was released: where, what, and why."""

    cause: Cause
    where: str  # table and partition, or file
    what: str
    location: Location | None = None


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
    drifts: tuple[Drift, ...] = field(default=())
    skipped: str | None = None

    @property
    def passed(self) -> bool:
        return not self.differences and self.skipped is None


def audit(release: Release, store: PartitionStore, today: Today | None) -> Audit:
    """Everything that can be said of the release, from its files and from the bronze of the store.

    Without `today`, nothing is said of what is configured now.
    """
    wrong = altered(release)
    exports = list(_altered_exports(release, store))
    skipped = _obstacle(wrong, exports)
    with _scratch(release, store) as scratch:
        again = None
        try:
            found = _drifts(release, today, scratch)
            again = rebuilt(release, store, scratch) if skipped is None else None
        except ValidationError as error:
            found = []
            skipped = f"today's code does not read the pinned configuration: {error}"
        differences = [*exports, *(_of_file(release, path, what, again) for path, what in wrong.items())]
        if again is not None:
            differences += _partitions_that_differ(release, again)
            differences += _files_that_differ(release, again, set(wrong))
    return Audit(
        name=release.manifest.name,
        release_id=release.id,
        files=len(release.manifest.files),
        exports=len(release.manifest.exports),
        differences=tuple(differences),
        drifts=tuple(found),
        skipped=skipped,
    )


def _drifts(release: Release, today: Today | None, scratch: Path) -> list[Drift]:
    then = release.manifest
    now = environment_of(pinned_lineage(release, scratch))
    found = [*library_drift(then.environment, now), *code_drift(then.environment, now)]
    if today is not None:
        configured = configuration_drift(then.configuration, today.configuration)
        found = [*configured, *tokenizer_drift(then.tokenizers, today.tokenizers), *found]
    return found


def _altered_exports(release: Release, store: PartitionStore) -> Iterator[Difference]:
    for export in release.manifest.exports:
        path = bronze_part(store, export)
        wrong = what_is_wrong(path, sha256=export.part_sha256, size=export.part_bytes)
        if wrong is not None:
            location = unreadable_place(path) if path.exists() else None
            what = f"{export.part} of the export {export.sha256} ({export.file!r}) {wrong}"
            yield Difference("data", _bronze(export), what, location)


def _bronze(export: PinnedExport) -> str:
    return f"bronze/{export.source} {export.landing_date}"


def _obstacle(wrong: dict[str, str], exports: list[Difference]) -> str | None:
    if exports:
        return "bronze is not what the release was made of"
    if any(path.startswith(f"{TOKENIZERS}/") for path in wrong):
        return "the tokenizer that the release keeps is not what it was made with"
    return None


def _of_file(release: Release, path: str, what: str, again: Release | None) -> Difference:
    """A file that somebody or something has altered since; its twin, where there is one, tells the row."""
    file = next(file for file in release.manifest.files if file.path == path)
    cause: Cause = "tokenizer" if path.startswith(f"{TOKENIZERS}/") else "data"
    if what == "is missing" or not path.endswith(".parquet"):
        return Difference(cause, _where(file), f"{path} {what}")
    if again is None:
        return Difference(cause, _where(file), f"{path} {what}", unreadable_place(release.path(file)))
    twin = next((each for each in again.manifest.files if _kind(each) == _kind(file)), None)
    location = first_difference(release.path(file), again.path(twin)) if twin else None
    return Difference(cause, _where(file), f"{path} {what}", location)


def _partitions_that_differ(release: Release, again: Release) -> Iterator[Difference]:
    """In the order in which data flows, the first table that differs: all after it are made from it."""
    then = {(each.table, each.partition): each.content_hash for each in release.manifest.partitions}
    now = {(each.table, each.partition): each.content_hash for each in again.manifest.partitions}
    places = dict.fromkeys([*then, *now])
    differing = [place for place in places if then.get(place) != now.get(place)]
    if differing:
        table = differing[0][0]
        days = [day for name, day in differing if name == table]
        what = f"{len(days)} of its partitions come out with other rows: the first table on the way to do so"
        yield Difference(_cause(release, again, table), f"{table} {days[0]}", what)
    if release.manifest.eval_index != again.manifest.eval_index:
        yield Difference(
            _cause(release, again, "silver/eval_index"), "silver/eval_index", "it has other items"
        )


def _files_that_differ(release: Release, again: Release, known: set[str]) -> Iterator[Difference]:
    """Files whose own bytes are as released, and come out otherwise."""
    then = {_kind(file): file for file in release.manifest.files}
    now = {_kind(file): file for file in again.manifest.files}
    for kind in sorted({*then, *now}, key=str):
        file, twin = then.get(kind), now.get(kind)
        there = file or twin
        if there is None or there.path in known or (file and twin and file.sha256 == twin.sha256):
            continue
        table = f"gold/{there.recipe}" if there.recipe else ""
        cause = _cause(release, again, table)
        if file is None or twin is None:
            lacking = "is not made any more" if file else "is made now, and was not released"
            yield Difference(cause, _where(there), f"{there.path} {lacking}")
            continue
        location = None
        if file.path.endswith(".parquet"):
            location = first_difference(release.path(file), again.path(twin))
        yield Difference(cause, _where(file), f"{file.path} comes out with other bytes", location)


def _cause(release: Release, again: Release, table: str) -> Cause:
    """What else is not as it was. Data, configuration and tokenizer are the pinned ones in a rebuild."""
    then, now = release.manifest.environment, again.manifest.environment
    if then.modules != now.modules and (not table or changed_tables(then, now)):
        return "code"
    if (then.packages, then.python, then.unicode) != (now.packages, now.python, now.unicode):
        return "library"
    return "unexplained"


def _kind(file: ReleasedFile) -> Kind:
    """What a file is, whatever its content: the hash in its name is left out."""
    stem, _, _ = file.path.rpartition("-")
    name = stem if file.path.endswith(".parquet") else file.path
    return (file.recipe, file.split, file.layout, file.partition, name)


def _where(file: ReleasedFile) -> str:
    if file.recipe is None:
        return file.path
    table = file.recipe if file.split == "train" else f"{file.recipe}_{file.split}"
    return f"gold/{table} {file.partition}"


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
