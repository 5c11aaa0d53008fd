"""Where a release and its rebuild differ: files, the first table on the way, rows, and for what cause.

Belongs here: pairing what was released with what comes out now. Does not: the audit's course (audit.py) or
looking at rows (compare.py).
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass

from medallion_assets.release.compare import Location, first_difference, unreadable_place
from medallion_assets.release.drift import Cause, changed_tables
from medallion_assets.release.lineage import Lineage
from medallion_assets.release.manifest import (
    CARD_NAME,
    MANIFEST_NAME,
    REPORT_NAME,
    TRAIN,
    Release,
    ReleasedFile,
)
from medallion_assets.release.pins import TOKENIZERS
from medallion_assets.schemas import EVAL_INDEX
from medallion_assets.storage.store import PartitionStore

TOLD_AGAIN = ("exports", "tokenizers", "schemas")
Kind = tuple[str | None, ...]


@dataclass(frozen=True)
class Difference:
    """Something that is not what was released: where, what, and why."""

    cause: Cause
    where: str  # table and partition, or file
    what: str
    location: Location | None = None


@dataclass(frozen=True)
class SilverRows:
    """The rows of silver, as the store has them and as they come out now."""

    lineage: Lineage
    then: PartitionStore
    now: PartitionStore

    def first_difference(self, table: str, day: str, content: str | None) -> Location | None:
        """None where the store does not hold the generation any more that the release was made of."""
        found = next(stage.table for stage in self.lineage.stages if stage.table.full_name == table)
        manifest = self.then.manifest(found, day)
        if manifest is None or manifest.content_hash != content or self.now.manifest(found, day) is None:
            return None
        [before], [after] = (store.paths(found, day) for store in (self.then, self.now))
        return first_difference(before, after)


def altered_files(
    release: Release, wrong: Mapping[str, str], again: Release | None = None
) -> Iterator[Difference]:
    """Files that somebody or something has altered since, and what is wrong with each."""
    for path, what in wrong.items():
        yield _altered_file(release, path, what, again)


def _altered_file(release: Release, path: str, what: str, again: Release | None) -> Difference:
    """The file's twin in the rebuild, where there is one, tells the row."""
    file = next((file for file in release.manifest.files if file.path == path), None)
    cause: Cause = "tokenizer" if path.startswith(f"{TOKENIZERS}/") else "data"
    if file is None:
        return Difference(cause, path, f"{path} {what}")
    if what == "is missing" or not path.endswith(".parquet"):
        return Difference(cause, _where(file), f"{path} {what}")
    if again is None:
        return Difference(cause, _where(file), f"{path} {what}", unreadable_place(release.as_stored(file)))
    twin = next((each for each in again.manifest.files if _kind(each) == _kind(file)), None)
    location = first_difference(release.as_stored(file), again.path(twin)) if twin else None
    return Difference(cause, _where(file), f"{path} {what}", location)


def partitions_that_differ(release: Release, again: Release, silver: SilverRows) -> Iterator[Difference]:
    """In the order in which data flows, the first table that differs: all after it are made from it."""
    then = {(each.table, each.partition): each.content_hash for each in release.manifest.partitions}
    now = {(each.table, each.partition): each.content_hash for each in again.manifest.partitions}
    places = dict.fromkeys([*then, *now])
    differing = [place for place in places if then.get(place) != now.get(place)]
    if differing:
        table, day = differing[0]
        days = sum(name == table for name, _ in differing)
        what = f"{days} of its partitions come out with other rows: the first table on the way to do so"
        location = silver.first_difference(table, day, then.get((table, day)))
        yield Difference(_cause(release, again, table), f"{table} {day}", what, location)
    if release.manifest.eval_index != again.manifest.eval_index:
        table = f"silver/{EVAL_INDEX.name}"
        yield Difference(_cause(release, again, table), table, "its newest items are others")


def files_that_differ(release: Release, again: Release, *, known: Container[str]) -> Iterator[Difference]:
    """Files whose own bytes are as released, and come out otherwise.

    Card and report are left out: how they look may change, and says nothing of the data.
    """
    then, now = (
        {_kind(file): file for file in each.manifest.files if file.path not in (CARD_NAME, REPORT_NAME)}
        for each in (release, again)
    )
    for kind in sorted({*then, *now}, key=str):
        file, twin = then.get(kind), now.get(kind)
        there = file or twin
        if there is None or there.path in known or file == twin:
            continue
        table = f"gold/{there.recipe}" if there.recipe else ""
        cause = _cause(release, again, table)
        if file is None or twin is None:
            lacking = "is not made any more" if file else "is made now, and was not released"
            yield Difference(cause, _where(there), f"{there.path} {lacking}")
            continue
        if file.sha256 == twin.sha256:
            yield Difference(
                cause, MANIFEST_NAME, f"{file.path} has other rows or tokens than it is listed with"
            )
            continue
        location = None
        if file.path.endswith(".parquet"):
            location = first_difference(release.path(file), again.path(twin))
        yield Difference(cause, _where(file), f"{file.path} comes out with other bytes", location)


def pins_that_differ(release: Release, again: Release) -> Iterator[Difference]:
    """What else the manifest says, all of which a rebuild says again."""
    for name in TOLD_AGAIN:
        if getattr(release.manifest, name) != getattr(again.manifest, name):
            cause = _cause(release, again, "")
            yield Difference(cause, MANIFEST_NAME, f"its {name} come out otherwise")


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
    table = file.recipe if file.split == TRAIN else f"{file.recipe}_{file.split}"
    return f"gold/{table} {file.partition}"
