"""The manifest: the atomic pointer that makes a set of files one generation of a partition.

Belongs here: its fields, its JSON, its digests. Does not: reading or writing files (store.py).
Nothing in it depends on the clock, the host or the run, so equal content means equal bytes.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

MANIFEST_NAME = "_manifest.json"
MANIFEST_VERSION = 1
# Two files written within a tick of the kernel's clock may look the same; older kernels tick every 10 ms.
CLOCK_TICK_NS = 20_000_000


# The last field of the file: the SHA-256 of all that stands before it, so that no flipped bit goes unseen.
SEAL = b',\n "sha256": "'
END = b'"\n}\n'


class DamagedManifest(ValueError):
    """A manifest that is not what was written."""

    def __init__(self, path: Path | str, why: str) -> None:
        self.path = path
        super().__init__(
            f"{path} can't be read: {why}. `medallion verify --rebuild` makes it again in silver and gold; "
            "in bronze, restore it from a back-up"
        )


class NewerManifest(ValueError):
    """A manifest that a later version of this package wrote."""

    def __init__(self, path: Path | str, found: int) -> None:
        self.path = path
        super().__init__(
            f"{path} is a manifest of version {found}, and this package reads up to {MANIFEST_VERSION}: "
            "upgrade it to the one that wrote the store"
        )


def digest_of(value: Any) -> str:
    """SHA-256 of a JSON-able value, independent of the order of its keys."""
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()


class Digests(msgspec.Struct, frozen=True):
    """What a generation was made from. Equal digests promise equal bytes, so the work can be skipped."""

    inputs: str
    code: str
    config: str


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """One immutable Parquet file. `export` is the SHA-256 of the export it renders (bronze only)."""

    name: str
    sha256: str
    rows: int
    size: int
    export: str | None = None


class Manifest(msgspec.Struct, frozen=True):
    """One whole generation of a partition: its parts, its rejects, and what it was made from."""

    table_schema: str
    schema_version: int
    digests: Digests
    parts: tuple[Part, ...]
    rejects: tuple[Part, ...]
    content_hash: str
    summary: Mapping[str, Any]
    fingerprints: tuple[Part, ...] = ()
    manifest_version: int = MANIFEST_VERSION

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    @property
    def size(self) -> int:
        """In bytes, of all files."""
        return sum(part.size for part in self.files)

    @property
    def rejected_rows(self) -> int:
        return sum(part.rows for part in self.rejects)

    @property
    def files(self) -> tuple[Part, ...]:
        return self.parts + self.rejects + self.fingerprints

    @property
    def file_names(self) -> frozenset[str]:
        return frozenset(part.name for part in self.files)

    def encode(self) -> bytes:
        body = msgspec.json.format(msgspec.json.encode(self, order="deterministic"), indent=1)
        said = body.removesuffix(b"\n}")
        return said + SEAL + hashlib.sha256(said).hexdigest().encode() + END

    @staticmethod
    def read(path: Path | str) -> Manifest:
        """Raises FileNotFoundError where there is none, DamagedManifest or NewerManifest."""
        status = os.stat(path)  # noqa: PTH116  # a long history has thousands of them
        if time.time_ns() - status.st_mtime_ns < CLOCK_TICK_NS:
            return _decoded(str(path))
        return _remembered(str(path), status.st_ino, status.st_mtime_ns)

    @staticmethod
    def decode(content: bytes, path: Path | str) -> Manifest:
        """`path` says in errors where it lies. Raises DamagedManifest or NewerManifest."""
        try:
            manifest = DECODER.decode(content)
        except ValueError as error:  # no JSON, other JSON, no UTF-8
            raise DamagedManifest(path, str(error)) from error
        if manifest.manifest_version > MANIFEST_VERSION:
            raise NewerManifest(path, manifest.manifest_version)
        said, seal, rest = content.rpartition(SEAL)
        if seal and rest != hashlib.sha256(said).hexdigest().encode() + END:
            raise DamagedManifest(path, "its bytes are not those that were written")
        return manifest


DECODER = msgspec.json.Decoder(Manifest)


@lru_cache(maxsize=100_000)
def _remembered(path: str, _inode: int, _mtime_ns: int) -> Manifest:
    """Decoded once: a replaced manifest is another inode, or one used again that was written later."""
    return _decoded(path)


def _decoded(path: str) -> Manifest:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        content = file.read()
    return Manifest.decode(content, Path(path))


def content_hash(*files: tuple[Part, ...]) -> str:
    """Identifies the rows of a generation, in order, with its rejects and, where it has any, fingerprints."""
    return digest_of([[part.sha256 for part in parts] for parts in files])
