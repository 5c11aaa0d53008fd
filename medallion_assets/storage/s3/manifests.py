"""The manifests of a bucket, read once: a copy on this machine says in its name which one it is.

Belongs here: asking the bucket no more than whether a manifest is still the same. Does not: what follows from
one (bucket.py).
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from medallion_assets.storage import files
from medallion_assets.storage.manifest import DamagedManifest, Manifest
from medallion_assets.storage.s3.objects import Objects
from medallion_assets.storage.s3.requests import Unchanged

COPY_PREFIX = ".manifest-"


class Manifests:
    """Those of one bucket, with copies below `root`."""

    def __init__(self, objects: Objects, root: Path) -> None:
        self._objects = objects
        self._root = root
        self._etags: dict[str, str] = {}

    def now(self, name: str) -> tuple[Manifest, str] | None:
        """The manifest in force and its ETag; None where there is none."""
        known = self._etags.get(name)
        if known and (copied := self.copied(name, known)):
            try:
                found = self._objects.get(name, unless=known)
            except Unchanged:
                return copied, known
        else:
            found = self._objects.get(name)
        if found is None:
            return None
        manifest = Manifest.decode(found[1], self._objects.url(name))
        self.keep(name, found[0].etag, found[1])
        return manifest, found[0].etag

    def listed(self, name: str, etag: str) -> tuple[Manifest, str] | None:
        """The one that a listing has just told of, or one that has replaced it since."""
        copied = self.copied(name, etag)
        return (copied, etag) if copied else self.now(name)

    def keep(self, name: str, etag: str, content: bytes) -> None:
        path = self._copy(name, etag)
        write_copy(path, content)
        self._etags[name] = etag
        for other in path.parent.glob(f"{COPY_PREFIX}*"):
            if other != path:
                other.unlink(missing_ok=True)

    def copied(self, name: str, etag: str) -> Manifest | None:
        """That one, if it is here."""
        path = self._copy(name, etag)
        try:
            manifest = Manifest.read(path)
        except FileNotFoundError:
            return None
        except DamagedManifest:  # the copy, not what is stored
            path.unlink(missing_ok=True)
            return None
        self._etags[name] = etag
        return manifest

    def _copy(self, name: str, etag: str) -> Path:
        return (self._root / name).with_name(COPY_PREFIX + quote(etag.strip('"'), safe=""))


def write_copy(path: Path, content: bytes) -> None:
    """Who reads it can tell whether it is whole, so that nothing waits for the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = files.temporary_beside(path)
    temporary.write_bytes(content)
    os.replace(temporary, path)
