"""Whether the files of a release are what was released: by size, then by SHA-256, in bounded memory.

Belongs here: looking at bytes. Does not: what a difference comes from (audit.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from medallion_assets.release.errors import DamagedRelease
from medallion_assets.release.manifest import MANIFEST_NAME, Release, ReleasedFile, as_part


def altered(release: Release, files: Iterable[ReleasedFile] | None = None) -> dict[str, str]:
    """By path, what is wrong with files of the release as it is stored: all of them, or those given."""
    chosen = release.manifest.files if files is None else files
    looked = (
        (file.path, release.place.wrong(file.path, sha256=file.sha256, size=file.size)) for file in chosen
    )
    return {path: wrong for path, wrong in looked if wrong is not None}


def strangers(release: Release) -> list[str]:
    """Files in the folder that the manifest does not list: a reader of all that lies there takes them too.

    Hidden ones are no matter: readers leave them out, and file systems make them.
    """
    listed = {MANIFEST_NAME, *(file.path for file in release.manifest.files)}
    return [path for path in release.place.tree() if path not in listed]


def verify(release: Release, files: Iterable[ReleasedFile] | None = None) -> None:
    """Raises DamagedRelease with every file that is not what was released."""
    if wrong := altered(release, files):
        raise DamagedRelease(release.place.shown(), [f"{path} {what}" for path, what in wrong.items()])


def proven(release: Release, files: Sequence[ReleasedFile]) -> list[Path]:
    """Where these files can be read, once each is proven to be what was released, or DamagedRelease."""
    found = [release.place.sound(file.path, as_part(file)) for file in files]
    verify(release, [file for file, path in zip(files, found, strict=True) if path is None])
    return [path or release.path(file) for file, path in zip(files, found, strict=True)]
