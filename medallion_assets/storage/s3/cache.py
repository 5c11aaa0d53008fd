"""Copies on this machine of a bucket's files: fetched whole, proven, and let go.

Belongs here: what a copy must be like to be used, and which go when room is needed. Does not: requests
(objects.py) or whose files they are (bucket.py). Files are named after their content, so that a copy is right
for ever; a copy that is gone, or not at its size, is fetched again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from medallion_assets.storage import files
from medallion_assets.storage.manifest import Part
from medallion_assets.storage.parts import DamagedPart
from medallion_assets.storage.place import GRACE_SECONDS
from medallion_assets.storage.s3.objects import Objects
from medallion_assets.storage.s3.requests import TRIES

# What nobody has read for so long is let go by the nightly sweep; it is fetched again when it is asked for.
UNUSED_SECONDS = 14 * 24 * 3600
# A landing folder's own record of which of its files are known: by inode, so no other machine has it.
OWN_NAMES = ("_cache.json",)


def is_copied(path: Path, size: int) -> bool:
    """Whether the file is there at its size; then it counts as used now."""
    try:
        status = os.stat(path)  # noqa: PTH116  # of thousands
    except FileNotFoundError:
        return False
    if status.st_size != size:
        return False
    with suppress(OSError):  # of another user
        os.utime(path, ns=(time.time_ns(), status.st_mtime_ns))
    return True


def fetch(objects: Objects, name: str, part: Part, path: Path) -> Path:
    """The file as it was written, from the bucket if need be.

    Raises FileNotFoundError where the bucket has it not, DamagedPart where it has other bytes.
    """
    if is_copied(path, part.size):
        return path
    files.make_folder(path.parent)
    for _ in range(TRIES):  # an answer may end early and look whole
        if _download(objects, name, part, path):
            return path
    raise DamagedPart(objects.url(name), "the bucket holds other bytes than were written")


def _download(objects: Objects, name: str, part: Part, path: Path) -> bool:
    """Whether what came is what was written; only then it lies at `path`."""
    temporary = files.temporary_beside(path)
    try:
        with files.HashingFile(temporary) as copy:
            for chunk in objects.stream(name):
                copy.write(chunk)
        if copy.sha256 == part.sha256:
            os.replace(temporary, path)
        return copy.sha256 == part.sha256
    finally:
        temporary.unlink(missing_ok=True)


@dataclass(frozen=True)
class Copy:
    """One file of the cache."""

    path: Path
    size: int
    used: float


def copies(root: Path) -> Iterator[Copy]:
    """All that the bucket has too, with when it was last used; scratch and locks are hidden."""
    for folder, names, entries in os.walk(root):
        names[:] = [name for name in names if not name.startswith(".")]
        if Path(folder) == root:
            continue  # the catalogue, logs
        for name in entries:
            if name not in OWN_NAMES:
                with suppress(FileNotFoundError):
                    status = os.stat(f"{folder}/{name}")  # noqa: PTH116
                    yield Copy(Path(folder) / name, status.st_size, max(status.st_atime, status.st_mtime))


def let_go(root: Path, *, keep_bytes: int) -> list[Copy]:
    """Removes those used longest ago until the rest is no more than this.

    What was used within the grace period stays: a reader that was told its path may not have opened it yet.
    """
    there = sorted(copies(root), key=lambda copy: copy.used)
    too_much = sum(copy.size for copy in there) - keep_bytes
    gone = []
    for copy in there:
        if too_much <= 0 or time.time() - copy.used < GRACE_SECONDS:
            break
        copy.path.unlink(missing_ok=True)
        too_much -= copy.size
        gone.append(copy)
    return gone


def let_go_unused(folder: Path, *, seconds: float = UNUSED_SECONDS) -> list[Path]:
    """Removes what nobody has read in a while, and what killed downloads left."""
    now = time.time()
    gone = []
    for copy in copies(folder.parent) if folder.is_dir() else ():
        limit = GRACE_SECONDS if copy.path.name.startswith(files.TEMPORARY_PREFIX) else seconds
        if now - copy.used > limit and folder in copy.path.parents:
            copy.path.unlink(missing_ok=True)
            gone.append(copy.path)
    return gone
