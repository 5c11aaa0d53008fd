"""The store in a folder: what is read is what is stored, and the locks of one machine order its writers.

Belongs here: the promises of a local file system, put together. Does not: how bytes become durable
(files.py).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from medallion_assets.storage import files
from medallion_assets.storage.manifest import MANIFEST_NAME, Manifest, Part
from medallion_assets.storage.place import GRACE_SECONDS, Entry, Generation, Stamp
from medallion_assets.storage.tables import SAFE_NAME

if TYPE_CHECKING:
    import duckdb


class Folder:
    """A place whose root is the store itself."""

    is_folder = True

    def __init__(self, root: Path) -> None:
        self.root = root
        self._root = str(root)

    def below(self, folder: str) -> Folder:
        return Folder(self.root / folder)

    def still(self) -> Folder:
        return self

    def look(self) -> AbstractContextManager[None]:
        """A file is looked at as fast as remembered."""
        return nullcontext()

    def shown(self, name: str = "") -> str:
        return str(self.root / name)

    def uri(self, name: str = "") -> str:
        return (self.root.absolute() / name).as_uri()

    def attach(self, duck: duckdb.DuckDBPyConnection) -> None:
        """It reads files."""

    def read(self, name: str) -> bytes | None:
        try:
            return (self.root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    recorded = read

    def write_once(self, name: str, content: bytes) -> bytes:
        return files.write_once(self.root / name, content)

    def replace(self, name: str, content: bytes) -> None:
        path = self.root / name
        files.make_folder(path.parent)
        files.replace_atomically(path, content)

    def remove(self, name: str) -> None:
        (self.root / name).unlink(missing_ok=True)

    def records(self, folder: str) -> dict[str, Stamp]:
        found = {}
        for entry in _scanned(self.root / folder):
            with suppress(FileNotFoundError):
                status = entry.stat()
                found[entry.name] = Stamp(status.st_ino, status.st_mtime_ns)
        return dict(sorted(found.items()))

    def names(self, folder: str = "") -> list[str]:
        return sorted(entry.name for entry in _scanned(self.root / folder) if not entry.is_dir())

    def entries(self, folder: str = "") -> Mapping[str, Entry]:
        found = {}
        for entry in _scanned(self.root / folder):
            with suppress(FileNotFoundError):
                status = entry.stat()
                found[entry.name] = Entry(status.st_size, status.st_mtime_ns)
        return found

    def folders(self, folder: str = "") -> list[str]:
        return sorted(entry.name for entry in _scanned(self.root / folder) if entry.is_dir())

    def tree(self, folder: str = "") -> list[str]:
        home = self.root / folder
        there = (path.relative_to(home) for path in home.rglob("*") if not path.is_dir())
        return sorted(str(path) for path in there if not any(part.startswith(".") for part in path.parts))

    def fetch(self, wanted: Sequence[tuple[str, Part]]) -> list[Path]:
        return [self.root / name for name, _ in wanted]

    def sound(self, name: str, part: Part) -> Path | None:
        path = self.root / name
        return path if path.exists() and files.sha256_of(path) == part.sha256 else None

    def opened(self, name: str, part: Part) -> Path:
        return self.root / name

    def wrong(self, name: str, *, sha256: str, size: int | None) -> str | None:
        return files.what_is_wrong(self.root / name, sha256=sha256, size=size)

    def as_stored(self, name: str) -> Path:
        return self.root / name

    def put(self, name: str) -> None:
        """It lies there already."""

    def publish(self, folder: str, names: Sequence[str], last: str) -> bool:
        """The folder got its name, which it can get once, with all that is in it."""
        return True

    def forget(self, folder: str) -> None:
        """There is no other."""

    def stamps(self, folder: str) -> dict[str, Stamp]:
        # By hand, since a long history asks this of thousands of folders at once.
        home, found = f"{self._root}/{folder}", {}
        for key in _dated(home):
            try:
                status = os.stat(f"{home}/dt={key}/{MANIFEST_NAME}")  # noqa: PTH116
            except FileNotFoundError:
                continue
            found[key] = Stamp(status.st_ino, status.st_mtime_ns)
        return found

    def manifest(self, folder: str, key: str) -> Manifest | None:
        try:
            return Manifest.read(f"{self._root}/{folder}/dt={key}/{MANIFEST_NAME}")
        except FileNotFoundError:
            return None

    def manifests(self, folder: str, upto: str) -> list[tuple[str, Manifest]]:
        home, found = f"{self._root}/{folder}", []
        for key in _dated(home):
            if key <= upto:
                with suppress(FileNotFoundError):
                    found.append((key, Manifest.read(f"{home}/dt={key}/{MANIFEST_NAME}")))
        return found

    def generation(self, folder: str, key: str) -> Generation:
        home = self.root / folder / f"dt={key}"
        return Generation(self.manifest(folder, key), lambda part: _is_there(home / part.name, part))

    def commit(self, folder: str, key: str, old: Generation, new: Manifest, *, made: Iterable[Part]) -> bool:
        """The caller holds the partition's lock, so nobody can have come between."""
        home = self.root / folder / f"dt={key}"
        if old.manifest is not None:
            # A part's time of last change says from now on when it was superseded; sweep() counts from it.
            for name in old.manifest.file_names - new.file_names:
                if (home / name).exists():
                    (home / name).touch()
        files.replace_atomically(home / MANIFEST_NAME, new.encode())
        _sweep_folder(home, keep=new.file_names, grace_seconds=GRACE_SECONDS)
        return True

    def set_aside(self, folder: str, key: str) -> None:
        home = self.root / folder / f"dt={key}"
        (home / MANIFEST_NAME).unlink(missing_ok=True)
        files.sync_folder(home)

    def sweep(
        self, folder: str, locked: Callable[[str], AbstractContextManager[None]], grace_seconds: float
    ) -> list[Path]:
        removed: list[Path] = []
        for partition in sorted((self.root / folder).glob("dt=*")):
            key = partition.name.removeprefix("dt=")
            if not SAFE_NAME.fullmatch(key):
                continue  # somebody's own folder
            with locked(key):
                manifest = self.manifest(folder, key)
                keep = manifest.file_names if manifest else frozenset()
                removed += _sweep_folder(partition, keep=keep, grace_seconds=grace_seconds)
        return removed + _sweep_table(self.root.joinpath(*folder.split("/")[:2]), grace_seconds)


def _scanned(folder: Path) -> list[os.DirEntry[str]]:
    """Hidden ones are no matter: they are ours, or the file system's."""
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _dated(folder: str) -> list[str]:
    """The keys of the folder's partitions, materialized or not, ascending."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name[3:] for entry in entries if entry.name.startswith("dt="))
    except FileNotFoundError:
        return []


def _is_there(path: Path, part: Part) -> bool:
    """Whether the part's file is there, at its size."""
    try:
        return path.stat().st_size == part.size
    except FileNotFoundError:
        return False


def _is_older(path: Path, seconds: float) -> bool:
    try:
        return time.time() - path.stat().st_mtime > seconds
    except FileNotFoundError:
        return False


def _sweep_folder(folder: Path, *, keep: frozenset[str], grace_seconds: float) -> list[Path]:
    """Only the holder of the partition's lock writes here, so any temporary is an orphan of a crash."""
    removed = []
    for entry in os.scandir(folder):
        orphan = entry.name.startswith(files.TEMPORARY_PREFIX)
        superseded = (
            entry.name.endswith((".parquet", ".arrow"))
            and entry.name not in keep
            and _is_older(Path(entry.path), grace_seconds)
        )
        if orphan or superseded:
            Path(entry.path).unlink()
            removed.append(Path(entry.path))
    return removed


def _sweep_table(home: Path, grace_seconds: float) -> list[Path]:
    """No lock covers these (of _current, of raw copies): only age tells an orphan from a file at work."""
    orphans = [*home.glob(f"{files.TEMPORARY_PREFIX}*"), *home.glob(f"_*/{files.TEMPORARY_PREFIX}*")]
    removed = [orphan for orphan in sorted(orphans) if _is_older(orphan, grace_seconds)]
    for orphan in removed:
        orphan.unlink(missing_ok=True)
    return removed
