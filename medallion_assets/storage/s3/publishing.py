"""A folder of files on a bucket that counts once its last file is there, and is never changed then.

Belongs here: the order of a release's objects. Does not: what a release is (release/). Some of its files are
not named after their content, so that two writers of different releases of one name could mix theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medallion_assets.storage.place import GRACE_SECONDS
from medallion_assets.storage.s3.objects import WHOLE_PUT_BYTES, Objects
from medallion_assets.storage.s3.requests import NANOSECONDS, Occupied
from medallion_assets.storage.s3.sweeping import by_name, now_ns
from medallion_assets.storage.s3.together import PUTS, together


def publish(objects: Objects, root: Path, folder: str, names: Sequence[str], *, last: str) -> bool:
    """Whether `last` is there as it is below `root`; all others are stored before."""

    def stored(name: str) -> str:
        """Its ETag. What has other bytes is a dead writer's, or one's at work."""
        path = root / folder / name
        if path.stat().st_size > WHOLE_PUT_BYTES:  # named after its content
            objects.put_file(f"{folder}/{name}", path)
        elif objects.create(f"{folder}/{name}", path.read_bytes()) is None:
            _write_over(objects, f"{folder}/{name}", path)
        found = objects.head(f"{folder}/{name}")
        return found.etag if found else ""

    etags = dict(zip(names, together(stored, names, at_once=PUTS), strict=True))
    if objects.create(f"{folder}/{last}", (root / folder / last).read_bytes()) is None:
        return False
    there = by_name(objects, folder)
    for name, etag in etags.items():
        # Somebody who took ours for a dead one's, and gave up at `last`, has left theirs.
        if name not in there or there[name].etag != etag:
            objects.put_file(f"{folder}/{name}", root / folder / name)
    return True


def _write_over(objects: Objects, name: str, path: Path) -> None:
    found = objects.head(name)
    if found is not None and found.written_ns >= now_ns(objects) - GRACE_SECONDS * NANOSECONDS:
        raise Occupied(objects.url(name))
    objects.put_file(name, path)
