"""The store on a bucket: what it holds is the truth, and writers order each other by conditional writes.

Belongs here: which requests make up what a place promises. Does not: requests and their failures
(objects.py), or copies on this machine (cache.py). No lock is assumed: of two writers elsewhere the manifest
of one is there first, and the other looks again.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from medallion_assets.roots import BUCKET_SCHEME, cache_folder
from medallion_assets.storage import cache, files
from medallion_assets.storage.manifest import MANIFEST_NAME, DamagedManifest, Manifest, Part
from medallion_assets.storage.objects import WHOLE_PUT_BYTES, Object, Objects, Occupied, Unchanged
from medallion_assets.storage.parts import DamagedPart
from medallion_assets.storage.place import GRACE_SECONDS, Entry, Generation, Stamp

if TYPE_CHECKING:
    import duckdb

AT_ONCE = 16
# A manifest's copy says in its name which one it is: by the ETag.
COPY_PREFIX = ".manifest-"
CLOCK = ".clock"
NANOSECONDS = 1_000_000_000

Asked = TypeVar("Asked")
Found = TypeVar("Found")


def bucket_at(url: str) -> Bucket:
    """The place at s3://bucket/prefix; the same for all who ask in this process."""
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
        self._etags: dict[str, str] = {}

    def __reduce__(self) -> tuple[object, ...]:
        return Bucket, (self._objects, self.root)

    def below(self, folder: str) -> Bucket:
        return Bucket(self._objects.below(folder), self.root / folder)

    def still(self) -> Bucket:
        found = Bucket(self._objects, self.root, {})
        found._etags = self._etags
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
            _write(copy, content)
        return content

    def write_once(self, name: str, content: bytes) -> bytes:
        found = self.recorded(name) if self._listed is not None else None
        while found is None:
            if self._objects.create(name, content) is not None:
                _write(self.root / name, content)
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
        return _at_once(self._fetched, wanted)

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
        stored = dict(_at_once(self._published, [f"{folder}/{name}" for name in names]))
        if self._objects.create(f"{folder}/{last}", (self.root / folder / last).read_bytes()) is None:
            return False
        now = {f"{folder}/{name}": each for name, each in self._list(folder).items()}
        # Somebody who took ours for a dead one's and gave up at `last` has left theirs.
        _at_once(
            self.put, [name for name, etag in stored.items() if name not in now or now[name].etag != etag]
        )
        return True

    def _published(self, name: str) -> tuple[str, str]:
        """The file's ETag. One with other bytes is a dead writer's, or one's at work."""
        path = self.root / name
        if path.stat().st_size > WHOLE_PUT_BYTES:  # named after its content
            self._objects.put_file(name, path)
        elif self._objects.create(name, path.read_bytes()) is None:
            found = self._objects.head(name)
            if found is not None and found.written_ns >= self._now_ns() - GRACE_SECONDS * NANOSECONDS:
                raise Occupied(self.shown(name))
            self.put(name)
        found = self._objects.head(name)
        return name, found.etag if found else ""

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
        found = self._manifest_now(name)
        return found[0] if found else None

    def manifests(self, folder: str, upto: str) -> list[tuple[str, Manifest]]:
        wanted = [(key, stamp) for key, stamp in self.stamps(folder).items() if key <= upto]
        found = _at_once(partial(self._manifest_of, folder), wanted)
        return [(key, manifest) for (key, _), manifest in zip(wanted, found, strict=True) if manifest]

    def _manifest_of(self, folder: str, wanted: tuple[str, Stamp]) -> Manifest | None:
        key, stamp = wanted
        name = f"{folder}/dt={key}/{MANIFEST_NAME}"
        copied = self._copied_manifest(name, str(stamp.identity))
        if copied is not None:
            return copied
        found = self._manifest_now(name)
        return found[0] if found else None

    def _manifest_now(self, name: str) -> tuple[Manifest, str] | None:
        """The manifest in force and its ETag, from here where the bucket says that it is still the same."""
        known = self._etags.get(name)
        if known and (copied := self._copied_manifest(name, known)):
            try:
                found = self._objects.get(name, unless=known)
            except Unchanged:
                return copied, known
        else:
            found = self._objects.get(name)
        if found is None:
            return None
        manifest = Manifest.decode(found[1], self.shown(name))
        self._copy_manifest(name, found[0].etag, found[1])
        return manifest, found[0].etag

    def _copied_manifest(self, name: str, etag: str) -> Manifest | None:
        path = self._copy_of(name, etag)
        try:
            manifest = Manifest.read(path)
        except FileNotFoundError:
            return None
        except DamagedManifest:  # the copy, not what is stored
            path.unlink(missing_ok=True)
            return None
        self._etags[name] = etag
        return manifest

    def _copy_manifest(self, name: str, etag: str, content: bytes) -> None:
        path = self._copy_of(name, etag)
        _write(path, content)
        self._etags[name] = etag
        for other in path.parent.glob(f"{COPY_PREFIX}*"):
            if other != path:
                other.unlink(missing_ok=True)

    def _copy_of(self, name: str, etag: str) -> Path:
        return (self.root / name).with_name(f"{COPY_PREFIX}{quote(etag.strip(chr(34)), safe='')}")

    def generation(self, folder: str, key: str) -> Generation:
        """One listing tells of the manifest and of all files."""
        home = f"{folder}/dt={key}"
        there = self._list(home)
        name, listed = f"{home}/{MANIFEST_NAME}", there.get(MANIFEST_NAME)
        copied = self._copied_manifest(name, listed.etag) if listed else None
        found = (copied, listed.etag) if copied and listed else self._manifest_now(name)
        manifest, etag = found or (None, None)
        return Generation(manifest, partial(_holds, there), etag)

    def commit(self, folder: str, key: str, old: Generation, new: Manifest, *, made: Iterable[Part]) -> bool:
        """All parts are there before the manifest names them, and looked for once more when it does."""
        self._proven  # noqa: B018
        home, mine = f"{folder}/dt={key}", {part.name: part for part in made}
        name, content = f"{home}/{MANIFEST_NAME}", new.encode()
        _at_once(self.put, [f"{home}/{part}" for part in mine])
        etag = self._objects.swap(name, content, old.token)
        if etag is None:
            return False
        self._copy_manifest(name, etag, content)
        there = self._list(home)
        # A writer that was held up for longer than the grace period finds what a sweep took for an orphan.
        _at_once(self.put, [f"{home}/{part.name}" for part in mine.values() if not _holds(there, part)])
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
        before = self._now_ns() - int(grace_seconds * NANOSECONDS)
        removed: list[Path] = []
        for key, there in self._partitions(folder):
            if self._superseded(folder, key, there, before):
                with locked(key):
                    home = f"{folder}/dt={key}"
                    gone = self._superseded(folder, key, self._list(home), before)
                    self._objects.delete(f"{home}/{name}" for name in gone)
                    removed += [self.root / home / name for name in gone]
        for path in removed:
            path.unlink(missing_ok=True)
        return removed

    def _partitions(self, folder: str) -> Iterator[tuple[str, dict[str, Object]]]:
        found: dict[str, dict[str, Object]] = {}
        for name, each in self._list(folder, after="dt=").items():
            if name.startswith("dt="):
                partition, _, last = name.partition("/")
                found.setdefault(partition[3:], {})[last] = each
        yield from found.items()

    def _superseded(self, folder: str, key: str, there: Mapping[str, Object], before: int) -> list[str]:
        """What no manifest has named for the grace period.

        The manifest in force is as old as what it replaced has been out of use at least, and what no
        manifest names yet may be of a writer at work.
        """
        found, keep = there.get(MANIFEST_NAME), frozenset[str]()
        if found is not None:
            manifest = self._manifest_of(folder, (key, Stamp(found.etag, found.written_ns)))
            if manifest is None or found.written_ns >= before:
                return []
            keep = manifest.file_names
        return [
            name
            for name, each in there.items()
            if name.endswith((".parquet", ".arrow")) and name not in keep and each.written_ns < before
        ]

    def _now_ns(self) -> int:
        """By the clock that stamps objects."""
        self._objects.put(CLOCK, b"")
        found = self._objects.head(CLOCK)
        return found.written_ns if found else time.time_ns()

    def _list(self, folder: str, *, after: str = "") -> dict[str, Object]:
        """By their names from the folder on."""
        return self._once((folder, after), lambda: self._listed_now(folder, after))

    def _listed_now(self, folder: str, after: str) -> dict[str, Object]:
        start = f"{folder}/" if folder else ""
        found = self._objects.listed(folder, after=f"{start}{after}" if after else None)
        return {each.name.removeprefix(start): each for each in found}

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


def _write(path: Path, content: bytes) -> None:
    """A copy: who reads it knows whether it is whole, so that nothing waits for the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = files.temporary_beside(path)
    temporary.write_bytes(content)
    os.replace(temporary, path)


def _at_once(function: Callable[[Asked], Found], wanted: Sequence[Asked]) -> list[Found]:
    """In the order asked for; the first error is raised."""
    if len(wanted) < 2:
        return [function(each) for each in wanted]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(function, wanted))
