"""The store on a bucket: what it holds is the truth, and writers order each other by conditional writes.

Belongs here: which requests make up what a place promises. Does not: requests and their failures
(objects.py), or copies on this machine (cache.py). No lock is assumed: of two writers elsewhere the manifest
of one is there first, and the other looks again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

from medallion_assets.roots import BUCKET_SCHEME, cache_folder
from medallion_assets.storage import files
from medallion_assets.storage.manifest import MANIFEST_NAME, Manifest, Part
from medallion_assets.storage.parts import DamagedPart
from medallion_assets.storage.place import Entry, Generation, Stamp
from medallion_assets.storage.s3 import cache
from medallion_assets.storage.s3.manifests import Manifests, write_copy
from medallion_assets.storage.s3.objects import Object, Objects
from medallion_assets.storage.s3.publishing import publish
from medallion_assets.storage.s3.requests import require_library
from medallion_assets.storage.s3.sweeping import Sweeping, by_name
from medallion_assets.storage.s3.together import PUTS, together

if TYPE_CHECKING:
    import duckdb

Found = TypeVar("Found")


def bucket_at(url: str) -> Bucket:
    """The place at s3://bucket/prefix; the same for all who ask in this process."""
    require_library()
    return _bucket_at(url.rstrip("/"), cache_folder(url), os.getpid())


@lru_cache(maxsize=16)
def _bucket_at(url: str, root: Path, _process: int) -> Bucket:
    name, _, prefix = url.removeprefix(BUCKET_SCHEME).partition("/")
    return Bucket(Objects(name, f"{prefix}/" if prefix else ""), root)


class Bucket:
    """A place whose root holds copies. `listed` remembers listings, for one that is held still."""

    is_folder = False

    def __init__(self, objects: Objects, root: Path, listed: dict[object, Any] | None = None) -> None:
        self.root = root
        self._objects = objects
        self._listed = listed
        self._manifests = Manifests(objects, root)

    def __reduce__(self) -> tuple[object, ...]:
        return Bucket, (self._objects, self.root)

    def below(self, folder: str) -> Bucket:
        return Bucket(self._objects.below(folder), self.root / folder)

    def still(self) -> Bucket:
        found = Bucket(self._objects, self.root, {})
        found._manifests = self._manifests
        return found

    def shown(self, name: str = "") -> str:
        return self._objects.url(name)

    uri = shown

    def attach(self, duck: duckdb.DuckDBPyConnection) -> None:
        self._objects.attach(duck)

    def read(self, name: str) -> bytes | None:
        found = self._objects.get(name)
        return found[1] if found else None

    def recorded(self, name: str) -> bytes | None:
        folder, _, last = name.rpartition("/")
        held = self._list(folder).get(last) if self._listed is not None else None
        if self._listed is not None and held is None:
            return None
        copy = self.root / name
        if held is not None and cache.is_copied(copy, held.size):
            return copy.read_bytes()
        content = self.read(name)
        if content is not None:
            write_copy(copy, content)
        return content

    def write_once(self, name: str, content: bytes) -> bytes:
        found = self.recorded(name) if self._listed is not None else None
        while found is None:
            if self._objects.create(name, content) is not None:
                write_copy(self.root / name, content)
                return content
            found = self.read(name)  # None where it has gone since, by hand
        return found

    def replace(self, name: str, content: bytes) -> None:
        self._objects.put(name, content)

    def remove(self, name: str) -> None:
        self._objects.delete([name])

    def records(self, folder: str) -> dict[str, Stamp]:
        """Held still, those of all tables are listed at once: there are few."""
        top, _, rest = folder.partition("/")
        where = (top, f"{rest}/") if self._listed is not None else (folder, "")
        found = {name: each for name, each in self._list(where[0]).items() if name.startswith(where[1])}
        return {
            name.removeprefix(where[1]): Stamp(each.etag, each.written_ns) for name, each in found.items()
        }

    def names(self, folder: str = "") -> list[str]:
        there = self._list(folder)
        return sorted(name for name in there if "/" not in name and not name.startswith("."))

    def entries(self, folder: str = "") -> Mapping[str, Entry]:
        """Held still, all partitions of a table are listed at once."""
        table, partition, key = folder.rpartition("/dt=")
        if self._listed is not None and partition:
            there = self._list(table, after="dt=")
            start = f"dt={key}/"
        else:
            there, start = self._list(folder), ""
        return {
            name.removeprefix(start): Entry(each.size, each.written_ns)
            for name, each in there.items()
            if name.startswith(start)
        }

    def folders(self, folder: str = "") -> list[str]:
        found = self._once((folder,), lambda: self._objects.children(folder)[0])
        return [name for name in found if not name.startswith(".")]

    def tree(self, folder: str = "") -> list[str]:
        return sorted(
            name for name in self._list(folder) if not any(part.startswith(".") for part in name.split("/"))
        )

    def fetch(self, wanted: Sequence[tuple[str, Part]]) -> list[Path]:
        return together(self._fetched, wanted)

    def _fetched(self, wanted: tuple[str, Part]) -> Path:
        name, part = wanted
        return cache.fetch(self._objects, name, part, self.root / name)

    def sound(self, name: str, part: Part) -> Path | None:
        found = self._objects.head(name)
        if found is None or found.size != part.size:
            return None
        with suppress(DamagedPart):
            path = self._fetched((name, part))
            if files.sha256_of(path) == part.sha256:
                return path
            path.unlink()
            return self._fetched((name, part))
        return None

    def opened(self, name: str, part: Part) -> Path | IO[bytes]:
        path = self.root / name
        return path if cache.is_copied(path, part.size) else self._objects.opened(name, part.size)

    def wrong(self, name: str, *, sha256: str, size: int | None) -> str | None:
        try:
            found, digest = self._objects.sha256(name)
        except FileNotFoundError:
            return files.MISSING
        if size is not None and found != size:
            return f"has {found} bytes instead of {size}"
        return None if digest == sha256 else "has other bytes than were written"

    def as_stored(self, name: str) -> Path:
        path = self.root / ".scratch" / "as_stored" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file, suppress(FileNotFoundError):
            file.writelines(self._objects.stream(name))
        return path

    def publish(self, folder: str, names: Sequence[str], last: str) -> bool:
        self._proven  # noqa: B018
        return publish(self._objects, self.root, folder, names, last=last)

    def forget(self, folder: str) -> None:
        shutil.rmtree(self.root / folder, ignore_errors=True)

    def put(self, name: str) -> None:
        self._objects.put_file(name, self.root / name)

    def stamps(self, folder: str) -> dict[str, Stamp]:
        end = f"/{MANIFEST_NAME}"
        return {
            name[3 : -len(end)]: Stamp(each.etag, each.written_ns)
            for name, each in self._list(folder, after="dt=").items()
            if name.startswith("dt=") and name.endswith(end)
        }

    def manifest(self, folder: str, key: str) -> Manifest | None:
        name = f"{folder}/dt={key}/{MANIFEST_NAME}"
        if self._listed is not None:
            return dict(self.manifests(folder, key)).get(key)
        found = self._manifests.now(name)
        return found[0] if found else None

    def manifests(self, folder: str, upto: str) -> list[tuple[str, Manifest]]:
        wanted = [(key, stamp) for key, stamp in self.stamps(folder).items() if key <= upto]
        found = together(partial(self._listed_manifest, folder), wanted)
        return [(key, manifest) for (key, _), manifest in zip(wanted, found, strict=True) if manifest]

    def _listed_manifest(self, folder: str, wanted: tuple[str, Stamp]) -> Manifest | None:
        key, stamp = wanted
        found = self._manifests.listed(f"{folder}/dt={key}/{MANIFEST_NAME}", str(stamp.identity))
        return found[0] if found else None

    def generation(self, folder: str, key: str) -> Generation:
        """One listing tells of the manifest and of all files."""
        home = f"{folder}/dt={key}"
        there = self._list(home)
        name, listed = f"{home}/{MANIFEST_NAME}", there.get(MANIFEST_NAME)
        found = self._manifests.listed(name, listed.etag) if listed else None
        manifest, etag = found or (None, None)
        return Generation(manifest, partial(_holds, there), etag)

    def commit(self, folder: str, key: str, old: Generation, new: Manifest, *, made: Iterable[Part]) -> bool:
        """All parts are there before the manifest names them, and looked for once more when it does."""
        self._proven  # noqa: B018
        home, mine = f"{folder}/dt={key}", {part.name: part for part in made}
        name, content = f"{home}/{MANIFEST_NAME}", new.encode()
        together(self.put, [f"{home}/{part}" for part in mine], at_once=PUTS)
        etag = self._objects.swap(name, content, old.token)
        if etag is None:
            return False
        self._manifests.keep(name, etag, content)
        there = self._list(home)
        # A writer that was held up for longer than the grace period finds what a sweep took for an orphan.
        together(self.put, [f"{home}/{part.name}" for part in mine.values() if not _holds(there, part)])
        return True

    @cached_property
    def _proven(self) -> None:
        self._objects.require_conditions()

    def set_aside(self, folder: str, key: str) -> None:
        self._objects.delete([f"{folder}/dt={key}/{MANIFEST_NAME}"])

    def sweep(
        self, folder: str, locked: Callable[[str], AbstractContextManager[None]], grace_seconds: float
    ) -> list[Path]:
        cache.let_go_unused(self.root / folder)
        names = Sweeping(self._objects, self._manifests, folder, grace_seconds).remove(locked)
        removed = [self.root / name for name in names]
        for path in removed:
            path.unlink(missing_ok=True)
        return removed

    def _list(self, folder: str, *, after: str = "") -> dict[str, Object]:
        return self._once((folder, after), lambda: by_name(self._objects, folder, after=after))

    def _once(self, what: object, look: Callable[[], Found]) -> Found:
        """Looks each time, unless the place is held still."""
        if self._listed is None:
            return look()
        if what not in self._listed:
            self._listed[what] = look()
        found: Found = self._listed[what]
        return found


def _holds(there: Mapping[str, Object], part: Part) -> bool:
    return part.name in there and there[part.name].size == part.size
