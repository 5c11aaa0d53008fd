"""Whether the files of a release are what was released: by size, then by SHA-256, in bounded memory.

Belongs here: looking at bytes. Does not: what a difference comes from (audit.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from medallion_assets.release.errors import DamagedRelease
from medallion_assets.release.manifest import MANIFEST_NAME, Release, ReleasedFile


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def what_is_wrong(path: Path, *, sha256: str, size: int) -> str | None:
    """How the file differs from what it was; None where it does not."""
    try:
        found = path.stat().st_size
    except FileNotFoundError:
        return "is missing"
    if found != size:
        return f"has {found} bytes instead of {size}"
    if sha256_of(path) != sha256:
        return "has other bytes than were released"
    return None


def altered(release: Release, files: Iterable[ReleasedFile] | None = None) -> dict[str, str]:
    """By path, what is wrong with files of the release: all of them, or those given."""
    chosen = release.manifest.files if files is None else files
    checked = (
        (file.path, what_is_wrong(release.path(file), sha256=file.sha256, size=file.size)) for file in chosen
    )
    return {path: wrong for path, wrong in checked if wrong is not None}


def strangers(release: Release) -> list[str]:
    """Files in the folder that the manifest does not list: a reader of all that lies there takes them too.

    Hidden ones are no matter: readers leave them out, and file systems make them.
    """
    listed = {MANIFEST_NAME, *(file.path for file in release.manifest.files)}
    there = (path.relative_to(release.folder) for path in release.folder.rglob("*") if not path.is_dir())
    visible = (str(path) for path in there if not any(part.startswith(".") for part in path.parts))
    return sorted(path for path in visible if path not in listed)


def verify(release: Release, files: Iterable[ReleasedFile] | None = None) -> None:
    """Raises DamagedRelease with every file that is not what was released."""
    if wrong := altered(release, files):
        raise DamagedRelease(release.folder, [f"{path} {what}" for path, what in wrong.items()])
