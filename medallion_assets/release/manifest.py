"""The manifest of a release: every file, and everything that determined them.

Belongs here: its fields, its JSON, where it lies. Does not: making one (cut.py, pins.py), checking files
(verify.py). Nothing in it depends on the clock, the host or the run: two cuts of the same data in the same
environment give the same bytes, and the SHA-256 of these bytes is the release's id.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from medallion_assets.release.errors import DamagedRelease, NoRelease
from medallion_assets.roots import BUCKET_SCHEME, Roots
from medallion_assets.schemas import RL_CURRICULUM
from medallion_assets.storage.manifest import Part
from medallion_assets.storage.place import Place
from medallion_assets.storage.places import place_at

RELEASES = "releases"
MANIFEST_NAME = "manifest.json"
RECORDS_FOLDER = "records"
CARD_NAME, REPORT_NAME = "README.md", "report.html"
MANIFEST_VERSION = 1
TRAIN = "train"
ROWS = "rows"  # the layout that gold itself has
# Units of which each partition holds all there is up to its day, and what that means for where they begin.
WHOLE_UNITS = (RL_CURRICULUM.name,)
BEGINNING = "0001-01-01"
# What names of ours are made of: releases and recipes, and what lies in a folder of the store.
SLUG = re.compile(r"[a-z][a-z0-9_]*")
PIECE = re.compile(r"[a-z0-9][a-z0-9_-]*(\.[a-z0-9_-]+)*")


class ReleasedFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file of the release. Those with a `recipe` hold training data: a partition in one layout each."""

    path: str
    sha256: str
    size: int
    rows: int | None = None
    tokens: int | None = None
    recipe: str | None = None
    split: str | None = None
    layout: str | None = None
    partition: str | None = None

    @property
    def table(self) -> str | None:
        """What `load` calls the rows of a recipe in a layout, and the folder that they lie in."""
        return self.recipe if self.layout in (ROWS, None) else f"{self.recipe}-{self.layout}"


class PinnedExport(msgspec.Struct, frozen=True, omit_defaults=True):
    """An export that the release was made of, and the bronze part that renders it."""

    source: str
    landing_date: str
    sha256: str
    file: str
    bytes: int
    rows: int
    part: str
    part_sha256: str
    part_bytes: int
    order: int | None = None

    @property
    def place(self) -> tuple[str, str, str]:
        """Where the part lies in the store."""
        return (self.source, self.landing_date, self.part)


class PinnedPartition(msgspec.Struct, frozen=True):
    """A partition on the way from bronze to gold, by content: what tells where a rebuild first differs."""

    table: str
    partition: str
    rows: int
    content_hash: str


class PinnedTokenizer(msgspec.Struct, frozen=True, omit_defaults=True):
    """A recipe's tokenizer. Its identity files lie in `folder` of the release, by name with their SHA-256."""

    recipe: str
    source: str
    identity: str
    template_sha256: str
    folder: str
    files: Mapping[str, str]
    revision: str | None = None


class Environment(msgspec.Struct, frozen=True):
    """What ran: versions by distribution, digests of our code by table and by module."""

    python: str
    unicode: str
    packages: Mapping[str, str]
    code: Mapping[str, str]
    modules: Mapping[str, str]


class ReleaseManifest(msgspec.Struct, frozen=True):
    """One release, whole."""

    name: str
    first: str
    last: str
    recipes: tuple[str, ...]
    layouts: tuple[str, ...]
    files: tuple[ReleasedFile, ...]
    exports: tuple[PinnedExport, ...]
    partitions: tuple[PinnedPartition, ...]
    eval_index: str | None
    tokenizers: tuple[PinnedTokenizer, ...]
    configuration: Mapping[str, Any]
    schemas: Mapping[str, str]
    environment: Environment
    manifest_version: int = MANIFEST_VERSION

    def data(self, recipe: str | None = None, *, layout: str = ROWS) -> Iterator[ReleasedFile]:
        """The files with training data in a layout, of one recipe or of all."""
        for file in self.files:
            if file.recipe is not None and file.layout == layout and recipe in (None, file.recipe):
                yield file

    def first_of(self, recipe: str) -> str:
        """The first landing date of what the recipe may hold."""
        [unit] = (each["unit"] for each in self.configuration["recipes"] if each["name"] == recipe)
        return BEGINNING if unit in WHOLE_UNITS else self.first

    def encode(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self, order="deterministic"), indent=1) + b"\n"


class Release:
    """A release: where it lies, its manifest and its id."""

    def __init__(self, place: Path | Place, content: bytes) -> None:
        self.place = place_at(place)
        folder = self.place.shown()
        self.id = hashlib.sha256(content).hexdigest()
        try:
            self.manifest = DECODER.decode(content)
        except ValueError as error:  # no JSON, other JSON, no UTF-8
            raise DamagedRelease(folder, [f"{MANIFEST_NAME} can't be read: {error}"]) from error
        if wrong := list(_faults(self.manifest)):
            raise DamagedRelease(folder, wrong)

    @property
    def folder(self) -> Path:
        """Where files of it lie on this machine, once path() or paths() was asked for them."""
        return self.place.root

    def path(self, file: ReleasedFile) -> Path:
        [path] = self.paths([file])
        return path

    def paths(self, files: Iterable[ReleasedFile]) -> list[Path]:
        return self.place.fetch([(file.path, as_part(file)) for file in files])

    def as_stored(self, file: ReleasedFile) -> Path:
        """For a look at what has become of it."""
        return self.place.as_stored(file.path)

    def ledger(self, recipe: str) -> Path:
        """Where it says what became of the recipe's records."""
        start = f"{RECORDS_FOLDER}/{recipe}-"
        [file] = [file for file in self.manifest.files if file.path.startswith(start)]
        return self.path(file)

    def tokenizer(self, pin: PinnedTokenizer) -> Path:
        """The folder of its identity files."""
        wanted = {f"{pin.folder}/{name}" for name in pin.files}
        self.paths(file for file in self.manifest.files if file.path in wanted)
        return self.folder / pin.folder


def as_part(file: ReleasedFile) -> Part:
    """As a file of a store."""
    return Part(name=file.path, sha256=file.sha256, rows=file.rows or 0, size=file.size)


DECODER = msgspec.json.Decoder(ReleaseManifest)


def _faults(manifest: ReleaseManifest) -> Iterator[str]:
    """What no version of ours writes: whoever made it, nothing outside of the folder is read or linked."""
    if manifest.manifest_version != MANIFEST_VERSION:
        found = manifest.manifest_version
        yield f"{MANIFEST_NAME} is of version {found}, and {MANIFEST_VERSION} is read here"
    for path in _paths(manifest):
        if path.startswith("/") or ".." in path.split("/"):
            yield f"{MANIFEST_NAME} names a file outside of the release: {path!r}"
    for export in manifest.exports:
        if wrong := [piece for piece in export.place if not PIECE.fullmatch(piece)]:
            yield f"{MANIFEST_NAME} names a part outside of its partition: {', '.join(map(repr, wrong))}"
    for name in (manifest.name, *manifest.recipes):
        if not SLUG.fullmatch(name):
            yield f"{MANIFEST_NAME} has a name that none of ours is like: {name!r}"
    configured = {each["name"] for each in manifest.configuration.get("recipes", [])}
    if lacking := [name for name in manifest.recipes if name not in configured]:
        yield f"{MANIFEST_NAME} does not say how these recipes are configured: {', '.join(lacking)}"


def _paths(manifest: ReleaseManifest) -> Iterator[str]:
    """All that is looked for in the folder."""
    yield from (file.path for file in manifest.files)
    yield from (f"{pin.folder}/{name}" for pin in manifest.tokenizers for name in ("", *pin.files))


def ledger_of(folder: Path, recipe: str) -> Path:
    """Where the release in a folder says what became of the recipe's records."""
    [path] = (folder / RECORDS_FOLDER).glob(f"{recipe}-*.parquet")
    return path


def release_folder(data: Path, name: str) -> Path:
    return data / RELEASES / name


def find_release(name: str | Path, data: str | Path | Place | None = None) -> Release:
    """By name in the store at `data` (by default that of the environment), or by its folder's path or URL.

    Raises NoRelease where there is none, DamagedRelease where its manifest can't be read.
    """
    if isinstance(name, str) and name.startswith(BUCKET_SCHEME):
        return _release_in(place_at(name))
    if isinstance(name, Path) or os.sep in name:
        return _release_in(place_at(Path(name).absolute()))
    place = place_at(Roots.from_environment().store if data is None else data)
    content = place.read(f"{RELEASES}/{name}/{MANIFEST_NAME}")
    if content is None:
        there = ", ".join(release_names(place)) or "none"
        raise NoRelease(f"there is no release {name} in {place.shown(RELEASES)}; there are: {there}")
    found = Release(place.below(f"{RELEASES}/{name}"), content)
    if found.manifest.name != name:
        wrong = f"{MANIFEST_NAME} is of the release {found.manifest.name}"
        raise DamagedRelease(found.place.shown(), [wrong])
    return found


def _release_in(place: Place) -> Release:
    content = place.read(MANIFEST_NAME)
    if content is None:
        raise NoRelease(f"{place.shown()} holds no release: it has no {MANIFEST_NAME}")
    return Release(place, content)


def release_names(data: Path | Place) -> list[str]:
    place = place_at(data)
    names = place.folders(RELEASES)
    return [name for name in names if MANIFEST_NAME in place.entries(f"{RELEASES}/{name}")]
