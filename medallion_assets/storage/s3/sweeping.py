"""What no manifest names any more is removed from a bucket, while others may be writing.

Belongs here: telling what is superseded by the bucket's own clock, and removing it so that it can be undone.
Does not: copies on this machine (cache.py). No lock keeps a writer elsewhere from naming again what is being
removed, since equal content has the same name: so each file is set aside first, and put back if it is named.
One larger than a bucket copies by itself stays.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager

from medallion_assets.storage.manifest import MANIFEST_NAME
from medallion_assets.storage.place import GRACE_SECONDS
from medallion_assets.storage.s3.manifests import Manifests
from medallion_assets.storage.s3.objects import COPY_BYTES, Object, Objects
from medallion_assets.storage.s3.requests import NANOSECONDS

ASIDE = ".aside"
CLOCK = ".clock"
SWEPT = (".parquet", ".arrow")


class Sweeping:
    """A sweep of the table in a folder."""

    def __init__(self, objects: Objects, manifests: Manifests, folder: str, grace_seconds: float) -> None:
        self._objects = objects
        self._manifests = manifests
        self._folder = folder
        self._now = now_ns(objects)
        self._before = self._now - int(grace_seconds * NANOSECONDS)

    def remove(self, locked: Callable[[str], AbstractContextManager[None]]) -> list[str]:
        """The names of what was removed."""
        self._finish(f"{ASIDE}/{self._folder}")
        removed: list[str] = []
        for key, there in self._partitions():
            if self._superseded(key, there):
                with locked(key):
                    home = f"{self._folder}/dt={key}"
                    names = [f"{home}/{name}" for name in self._superseded(key, by_name(self._objects, home))]
                    removed += self._removed(names)
        return removed

    def _removed(self, names: list[str]) -> list[str]:
        for name in names:
            self._objects.copy(name, f"{ASIDE}/{name}")
        self._objects.delete(names)
        return [name for name in names if self._is_gone(name)]

    def _finish(self, aside: str) -> None:
        """What a killed sweep had set aside; what is younger may be one's at work."""
        for each in list(self._objects.listed(aside)):
            if each.written_ns < self._now - GRACE_SECONDS * NANOSECONDS:
                self._is_gone(each.name.removeprefix(f"{ASIDE}/"))

    def _is_gone(self, name: str) -> bool:
        """Whether nobody names the file after all; else it is put back."""
        home, _, last = name.rpartition("/")
        found = self._manifests.now(f"{home}/{MANIFEST_NAME}")
        is_named = found is not None and last in found[0].file_names
        if is_named and self._objects.head(name) is None:
            self._objects.copy(f"{ASIDE}/{name}", name)
        self._objects.delete([f"{ASIDE}/{name}"])
        return not is_named

    def _partitions(self) -> Iterator[tuple[str, dict[str, Object]]]:
        found: dict[str, dict[str, Object]] = {}
        for name, each in by_name(self._objects, self._folder, after="dt=").items():
            if name.startswith("dt="):
                partition, _, last = name.partition("/")
                found.setdefault(partition[3:], {})[last] = each
        yield from found.items()

    def _superseded(self, key: str, there: Mapping[str, Object]) -> list[str]:
        """What no manifest has named for the grace period.

        What the manifest in force replaced has been out of use for as long as that is there, at least; and
        what no manifest names yet may be of a writer at work.
        """
        keep = frozenset[str]()
        if listed := there.get(MANIFEST_NAME):
            found = self._manifests.listed(f"{self._folder}/dt={key}/{MANIFEST_NAME}", listed.etag)
            if found is None or listed.written_ns >= self._before:
                return []
            keep = found[0].file_names
        return [
            name
            for name, each in there.items()
            if name.endswith(SWEPT)
            and name not in keep
            and each.written_ns < self._before
            and each.size <= COPY_BYTES
        ]


def by_name(objects: Objects, folder: str, *, after: str = "") -> dict[str, Object]:
    """All below a folder, by their names from there on; those that come after one."""
    start = f"{folder}/" if folder else ""
    found = objects.listed(folder, after=f"{start}{after}" if after else None)
    return {each.name.removeprefix(start): each for each in found}


def now_ns(objects: Objects) -> int:
    """By the clock that stamps objects."""
    objects.put(CLOCK, b"")
    found = objects.head(CLOCK)
    return found.written_ns if found else time.time_ns()
