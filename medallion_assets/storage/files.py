"""The only module that knows how bytes become durable on a local file system.

Belongs here: fsync order, atomic replacement, write-once records, locks, hashing while writing.
Does not: what the bytes mean (manifest.py, parts.py) or where they lie (store.py).
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# A leading dot and no data suffix: neither DuckDB's globs nor pyarrow.dataset pick such a file up.
TEMPORARY_PREFIX = ".tmp-"
COPY_CHUNK_BYTES = 1 << 20
# What is wrong with a file that is not there.
MISSING = "is missing"


def temporary_beside(path: Path) -> Path:
    """A fresh name in the same folder, so that the later rename stays on one file system."""
    return path.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Creates a folder and its parents so that they survive a power cut."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def replace_atomically(path: Path, content: bytes) -> None:
    """Readers see the old content or the new, whole; a crash leaves one of the two."""
    with _synced_beside(path, content) as temporary:
        os.replace(temporary, path)
        sync_folder(path.parent)


def write_once(path: Path, content: bytes) -> bytes:
    """Writes a record that is never rewritten; returns what is on record, ours or an earlier one's."""
    if not path.exists():
        make_folder(path.parent)
        # A link fails where the name exists: the first writer wins, and its record counts.
        with _synced_beside(path, content) as temporary, suppress(FileExistsError):
            os.link(temporary, path)
            sync_folder(path.parent)
    return path.read_bytes()


def place_new(path: Path, content: bytes) -> bool:
    """Whether the file was made: whole, and only where there is none of that name."""
    with _synced_beside(path, content) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        sync_folder(path.parent)
    return True


@contextmanager
def _synced_beside(path: Path, content: bytes) -> Iterator[Path]:
    """A temporary file with this content, on the disk already, that is gone afterwards."""
    temporary = temporary_beside(path)
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def what_is_wrong(path: Path, *, sha256: str, size: int | None) -> str | None:
    """How the file differs from what it was; None where it does not."""
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno()).st_size
            if size is not None and found != size:
                return f"has {found} bytes instead of {size}"
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                return "has other bytes than were written"
    except FileNotFoundError:
        return MISSING
    return None


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Holds `path` locked among processes and threads; the kernel frees it if we die."""
    make_folder(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class HashingFile(io.RawIOBase):
    """A write-only file that knows the SHA-256 and the size of what went through it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("xb", buffering=COPY_CHUNK_BYTES)
        self._digest = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:  # type: ignore[no-untyped-def]  # any buffer, as io declares it
        self._digest.update(data)
        written = self._file.write(data)
        self.size += written
        return written

    def tell(self) -> int:
        return self.size

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def close(self) -> None:
        if not self.closed:
            try:
                self._file.flush()
                os.fsync(self._file.fileno())
            finally:
                super().close()
                self._file.close()
