"""Every file of a store against the hash under which it was written, at the speed of the disk.

Belongs here: the walk and the comparison; nothing is written. Does not: making good (rebuild.py), or what
rows mean: a file that is as it was written is sound here.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from medallion_assets.extract.ingest import RAW_NAME
from medallion_assets.release.errors import DamagedRelease
from medallion_assets.release.manifest import RELEASES, find_release, release_names
from medallion_assets.release.verify import altered, strangers
from medallion_assets.storage.manifest import MANIFEST_NAME, DamagedManifest, Manifest, NewerManifest

BRONZE = "bronze"
# Of the root's folders, those that hold no table.
NO_LAYERS = (RELEASES, "landing")


@dataclass(frozen=True)
class Place:
    """A partition: its layer, table, perhaps version, and key; without key, kept exports or a release."""

    layer: str
    table: str
    version: str | None = None
    key: str | None = None

    @property
    def name(self) -> str:
        version = f" v={self.version}" if self.version else ""
        return f"{self.layer}/{self.table}{version}" + (f" {self.key}" if self.key else "")


@dataclass(frozen=True)
class Damage:
    """One file that is not as it was written. `path` is relative to the root."""

    place: Place
    path: str
    what: str

    @property
    def name(self) -> str:
        """Of the file."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Verification:
    """What was looked at, in files and bytes, and what is wrong."""

    partitions: int
    releases: int
    files: int
    bytes: int
    damages: tuple[Damage, ...]


@dataclass(frozen=True)
class _Expected:
    """A file as some manifest, or its own name, says that it is."""

    place: Place
    path: Path
    sha256: str
    size: int | None = None
    manifest: Path | None = None


def verify_store(root: Path) -> Verification:
    """Hashes every file that a manifest names, and every export that bronze keeps; all processors read.

    Works beside writers: what a manifest named when it was read stays for the grace period.
    """
    manifests = sorted(_manifests(root))
    expected = list(_kept_exports(root))
    damages: list[Damage] = []
    for path, place in manifests:
        try:
            expected += _of_manifest(path, place)
        except (DamagedManifest, NewerManifest, FileNotFoundError) as error:
            if path.exists():  # else somebody has taken the partition away meanwhile
                damages.append(Damage(place, str(path.relative_to(root)), str(error)))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        looked = list(pool.map(_what_is_wrong, expected))
    damages += [
        Damage(each.place, str(each.path.relative_to(root)), wrong)
        for each, (wrong, _) in zip(expected, looked, strict=True)
        if wrong is not None
    ]
    releases = release_names(root)
    damages += [damage for name in releases for damage in _of_release(root, name)]
    count, size = len(expected) + len(manifests), sum(size for _, size in looked)
    return Verification(len(manifests), len(releases), count, size, tuple(damages))


def _of_release(root: Path, name: str) -> Iterator[Damage]:
    """A release is verified by its own manifest; its files are links to gold's, or what is left of it."""
    place = Place(RELEASES, name)
    try:
        release = find_release(name, root)
    except DamagedRelease as error:
        yield from (Damage(place, f"{RELEASES}/{name}", problem) for problem in error.problems)
        return
    wrong = altered(release) | dict.fromkeys(strangers(release), "is not part of the release")
    yield from (Damage(place, f"{RELEASES}/{name}/{path}", what) for path, what in wrong.items())


def _manifests(root: Path) -> Iterator[tuple[Path, Place]]:
    for layer in root.iterdir():
        if layer.name.startswith(".") or layer.name in NO_LAYERS or not layer.is_dir():
            continue
        for path in layer.glob(f"*/dt=*/{MANIFEST_NAME}"):
            yield path, Place(layer.name, path.parts[-3], key=path.parent.name[3:])
        for path in layer.glob(f"*/v=*/dt=*/{MANIFEST_NAME}"):
            yield path, Place(layer.name, path.parts[-4], path.parts[-3][2:], path.parent.name[3:])


def _of_manifest(path: Path, place: Place) -> list[_Expected]:
    return [
        _Expected(place, path.parent / part.name, part.sha256, part.size, path)
        for part in Manifest.read(path).files
    ]


def _kept_exports(root: Path) -> Iterator[_Expected]:
    """Exports are kept under their hashes."""
    for path in sorted((root / BRONZE).glob(f"*/{RAW_NAME}/*")):
        if not path.name.startswith("."):
            yield _Expected(Place(BRONZE, path.parts[-3]), path, path.name)


def _what_is_wrong(expected: _Expected) -> tuple[str | None, int]:
    """None where nothing is, and how many bytes were read."""
    try:
        with expected.path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if expected.size is not None and size != expected.size:
                return f"has {size} bytes instead of {expected.size}", 0
            if hashlib.file_digest(file, "sha256").hexdigest() != expected.sha256:
                return "has other bytes than were written", size
            return None, size
    except FileNotFoundError:
        return ("is missing" if _is_still_named(expected) else None), 0
    except OSError as error:
        return f"can't be read: {error.strerror}", 0


def _is_still_named(expected: _Expected) -> bool:
    """A generation that was replaced while we looked has nothing to miss."""
    if expected.manifest is None:
        return False
    try:
        return expected.path.name in Manifest.read(expected.manifest).file_names
    except FileNotFoundError:
        return False
