"""The store on a bucket: what it holds is the truth, and writers order each other by conditional writes.

Belongs here: which requests make up what a place promises. Does not: requests and their failures
(objects.py), or copies on this machine (cache.py). No lock is assumed: of two writers elsewhere the manifest
of one is there first, and the other looks again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cached_property, lru_cache, partial
from pathlib import Path
from threading import local
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
Memory = dict[object, Any]


def bucket_at(url: str) -> Bucket:
    """The place at s3://bucket/prefix; the same for all who ask in this process."""
    require_library()
    return _bucket_at(url.rstrip("/"), cache_folder(url), os.getpid())


@lru_cache(maxsize=16)
def _bucket_at(url: str, root: Path, _process: int) -> Bucket:
    name, _, prefix = url.removeprefix(BUCKET_SCHEME).partition("/")
    return Bucket(Objects(name, f"{prefix}/" if prefix else ""), root)


def _reopened(url: str, root: Path) -> Bucket:
    """In the process that it was sent to."""
    return _bucket_at(url, root, os.getpid())


class Bucket:
    """A place whose root holds copies. One that is held `still` remembers what it has listed."""

    is_folder = False

    def __init__(self, objects: Objects, root: Path, *, still: bool = False) -> None:
        self.root = root
        self._objects = objects
        self._manifests = Manifests(objects, root)
        self._still: Memory | None = {} if still else None
        self._look = local()

    def __reduce__(self) -> tuple[object, ...]:
        return _reopened, (self.shown(), self.root)

    def below(self, folder: str) -> Bucket:
        return Bucket(self._objects.below(folder), self.root / folder)

    def still(self) -> Bucket:
        found = Bucket(self._objects, self.root, still=True)
        found._manifests = self._manifests
        return found

    @contextmanager
    def look(self) -> Iterator[None]:
        """Of this thread alone."""
        self._look.memory = {}
        try:
            yield
        finally:
            self._look.memory = None

    @property
    def _memory(self) -> Memory | None:
        return self._still if self._still is not None else getattr(self._look, "memory", None)

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
        held = self._list(folder).get(last) if self._memory is not None else None
        if self._memory is not None and held is None:
            return None
        copy = self.root / name
        if held is not None and cache.is_copied(copy, held.size):
            return copy.read_bytes()
        content = self.read(name)
        if content is not None:
            write_copy(copy, content)
        return content

    def write_once(self, name: str, content: bytes) -> bytes:
        found = self.recorded(name) if self._memory is not None else None
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
        where = (top, f"{rest}/") if self._memory is not None else (folder, "")
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
        if self._memory is not None and partition:
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
        """Who asks for one day will ask for others, once a table was listed or all is held still."""
        if self._still is not None or (folder, "dt=") in (self._memory or ()):
            return self._once((folder, "manifests"), lambda: self._all_manifests(folder)).get(key)
        name = f"{folder}/dt={key}/{MANIFEST_NAME}"
        found = self._once(name, lambda: self._manifests.now(name))
        return found[0] if found else None

    def manifests(self, folder: str, upto: str) -> list[tuple[str, Manifest]]:
        last = upto if self._memory is None else None
        found = self._once((folder, "manifests"), lambda: self._all_manifests(folder, last))
        return [(key, manifest) for key, manifest in found.items() if key <= upto]

    def _all_manifests(self, folder: str, upto: str | None = None) -> dict[str, Manifest]:
        stamps = {key: stamp for key, stamp in self.stamps(folder).items() if upto is None or key <= upto}
        names = {key: (f"{folder}/dt={key}/{MANIFEST_NAME}", str(stamps[key].identity)) for key in stamps}
        found = {key: self._manifests.copied(*names[key]) for key in names}
        lacking = [key for key, manifest in found.items() if manifest is None]
        asked = together(lambda key: self._manifests.now(names[key][0]), lacking)
        found |= {key: now[0] if now else None for key, now in zip(lacking, asked, strict=True)}
        return {key: manifest for key, manifest in found.items() if manifest is not None}

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

    def _once(self, what: object, ask: Callable[[], Found]) -> Found:
        """Asks each time, unless the place is held still or looked at."""
        memory = self._memory
        if memory is None:
            return ask()
        if what not in memory:
            memory[what] = ask()
        found: Found = memory[what]
        return found


def _holds(there: Mapping[str, Object], part: Part) -> bool:
    return part.name in there and there[part.name].size == part.size
