"""Every file of a store against the hash under which it was written, at the speed of the disk.

Belongs here: the walk and the comparison; nothing is written. Does not: making good (rebuild.py), or what
rows mean: a file that is as it was written is sound here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from medallion_assets.extract.ingest import RAW_NAME
from medallion_assets.release.errors import DamagedRelease
from medallion_assets.release.manifest import RELEASES, find_release, release_names
from medallion_assets.release.verify import altered, strangers
from medallion_assets.storage.files import MISSING
from medallion_assets.storage.manifest import MANIFEST_NAME, DamagedManifest, Manifest, NewerManifest
from medallion_assets.storage.place import Place as StorePlace
from medallion_assets.storage.places import place_at

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
    """A file as some manifest, or its own name, says that it is; `manifest` is that one's name."""

    place: Place
    name: str
    sha256: str
    size: int | None = None
    manifest: str | None = None


@dataclass(frozen=True)
class _Looked:
    """What a look at a file found: what is wrong, if anything, and how many bytes were read."""

    wrong: str | None
    size: int


def verify_store(data: str | Path | StorePlace) -> Verification:
    """Hashes every file that a manifest names, and every export that bronze keeps; all processors read.

    Works beside writers: what a manifest named when it was read stays for the grace period.
    """
    store = place_at(data)
    manifests = sorted(_manifests(store), key=lambda found: found[0])
    expected = list(_kept_exports(store))
    damages: list[Damage] = []
    for name, place in manifests:
        try:
            expected += _of_manifest(store, name, place)
        except (DamagedManifest, NewerManifest) as error:
            damages.append(Damage(place, name, str(error)))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        looked = list(pool.map(partial(_what_is_wrong, store), expected))
    damages += [
        Damage(each.place, each.name, found.wrong)
        for each, found in zip(expected, looked, strict=True)
        if found.wrong is not None
    ]
    releases = release_names(store)
    damages += [damage for name in releases for damage in _of_release(store, name)]
    count, size = len(expected) + len(manifests), sum(found.size for found in looked)
    return Verification(len(manifests), len(releases), count, size, tuple(damages))


def _of_release(store: StorePlace, name: str) -> Iterator[Damage]:
    """A release is verified by its own manifest; its files are links to gold's, or what is left of it."""
    place = Place(RELEASES, name)
    try:
        release = find_release(name, store)
    except DamagedRelease as error:
        yield from (Damage(place, f"{RELEASES}/{name}", problem) for problem in error.problems)
        return
    wrong = altered(release) | dict.fromkeys(strangers(release), "is not part of the release")
    yield from (Damage(place, f"{RELEASES}/{name}/{path}", what) for path, what in wrong.items())


def _manifests(store: StorePlace) -> Iterator[tuple[str, Place]]:
    for layer in store.folders():
        for table in store.folders(layer) if layer not in NO_LAYERS else ():
            versions = [folder for folder in store.folders(f"{layer}/{table}") if folder.startswith("v=")]
            for version in ("", *versions):
                folder = "/".join(filter(None, (layer, table, version)))
                for key in store.stamps(folder):
                    yield f"{folder}/dt={key}/{MANIFEST_NAME}", Place(layer, table, version[2:] or None, key)


def _of_manifest(store: StorePlace, name: str, place: Place) -> list[_Expected]:
    """None where somebody has taken the partition away meanwhile."""
    found = _manifest(store, name)
    home = name.rpartition("/")[0]
    parts = found.files if found else ()
    return [_Expected(place, f"{home}/{part.name}", part.sha256, part.size, name) for part in parts]


def _manifest(store: StorePlace, name: str) -> Manifest | None:
    content = store.read(name)
    return Manifest.decode(content, store.shown(name)) if content is not None else None


def _kept_exports(store: StorePlace) -> Iterator[_Expected]:
    """Exports are kept under their hashes."""
    for source in store.folders(BRONZE):
        for name in store.names(f"{BRONZE}/{source}/{RAW_NAME}"):
            yield _Expected(Place(BRONZE, source), f"{BRONZE}/{source}/{RAW_NAME}/{name}", name)


def _what_is_wrong(store: StorePlace, expected: _Expected) -> _Looked:
    try:
        wrong = store.wrong(expected.name, sha256=expected.sha256, size=expected.size)
    except OSError as error:
        return _Looked(f"can't be read: {error.strerror or error}", 0)
    if wrong == MISSING:
        return _Looked(MISSING if _is_still_named(store, expected) else None, 0)
    return _Looked(wrong, expected.size or 0)


def _is_still_named(store: StorePlace, expected: _Expected) -> bool:
    """A generation that was replaced while we looked has nothing to miss."""
    manifest = _manifest(store, expected.manifest) if expected.manifest else None
    return manifest is not None and expected.name.rpartition("/")[2] in manifest.file_names
