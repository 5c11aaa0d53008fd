"""Where a store lies: in a folder, or on a bucket with a working folder on this machine.

Belongs here: what the store asks of a place, whichever it is. Does not: which one is meant (places.py), the
protocols of partitions (store.py), or either place's own work (folder.py, bucket.py). Names are relative to
the root, with slashes. Whatever is read lies in a file below `root` first, so that nobody else knows of
buckets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, Protocol

from medallion_assets.storage.manifest import Manifest, Part

if TYPE_CHECKING:
    import duckdb

# How long a superseded part stays for readers that opened the manifest before it was replaced.
GRACE_SECONDS = 3600


class Stamp(NamedTuple):
    """Which manifest is in force in a partition, and since when."""

    identity: int | str
    written_ns: int


class Entry(NamedTuple):
    """A file as a look at its folder tells."""

    size: int
    written_ns: int


@dataclass(frozen=True)
class Generation:
    """A partition as its next writer finds it. `token` is the place's own, to tell whether it is still so."""

    manifest: Manifest | None
    holds: Callable[[Part], bool]
    token: str | None = None


class Place(Protocol):
    """Files, records and partitions, by name."""

    @property
    def root(self) -> Path:
        """Where the files lie on this machine, and what it keeps for itself beside them."""
        ...

    def below(self, folder: str) -> Place: ...

    def still(self) -> Place:
        """The same, that lists no folder twice."""
        ...

    def look(self) -> AbstractContextManager[None]:
        """While it lasts, this thread sees manifests as they were when it first asked."""
        ...

    def shown(self, name: str = "") -> str:
        """As people name it: a path, or a URL."""
        ...

    def uri(self, name: str = "") -> str: ...

    @property
    def is_folder(self) -> bool:
        """Whether these very files are the store."""
        ...

    def attach(self, duck: duckdb.DuckDBPyConnection) -> None:
        """Has DuckDB read what is named as shown() does."""
        ...

    # Records, small and read whole.

    def read(self, name: str) -> bytes | None: ...

    def recorded(self, name: str) -> bytes | None:
        """One that was written once."""
        ...

    def write_once(self, name: str, content: bytes) -> bytes:
        """Writes a record that is never rewritten; returns what is on record, ours or an earlier one's."""
        ...

    def replace(self, name: str, content: bytes) -> None: ...

    def remove(self, name: str) -> None: ...

    def records(self, folder: str) -> dict[str, Stamp]:
        """Those in a folder, which may be written anew."""
        ...

    def names(self, folder: str = "") -> list[str]:
        """The files in a folder, hidden ones left out, ascending."""
        ...

    def entries(self, folder: str = "") -> Mapping[str, Entry]:
        """The files in a folder, by name, and how large they are."""
        ...

    def folders(self, folder: str = "") -> list[str]:
        """Those in a folder, hidden ones left out, ascending."""
        ...

    def tree(self, folder: str = "") -> list[str]:
        """All files below a folder, by their names from there, hidden ones left out, ascending."""
        ...

    # Files, named after their content.

    def fetch(self, wanted: Sequence[tuple[str, Part]]) -> list[Path]:
        """Where these files can be read, as they were written."""
        ...

    def sound(self, name: str, part: Part) -> Path | None:
        """Where the file can be read, once its bytes are proven; None where it is not there, or another."""
        ...

    def opened(self, name: str, part: Part) -> Path | IO[bytes]:
        """For a look at a few of its bytes."""
        ...

    def wrong(self, name: str, *, sha256: str, size: int | None) -> str | None:
        """How the stored file differs from what it was, all of it read anew; None where it does not."""
        ...

    def as_stored(self, name: str) -> Path:
        """A file for a look at what has become of it, sound or not."""
        ...

    def put(self, name: str) -> None:
        """What was written on this machine under this name is stored."""
        ...

    def publish(self, folder: str, names: Sequence[str], last: str) -> bool:
        """What was written on this machine below a folder is stored, `last` when all else is.

        False where another `last` is there.
        """
        ...

    def forget(self, folder: str) -> None:
        """What this machine has of a folder is not used again, if it is but a copy."""
        ...

    # Partitions of the table in a folder.

    def stamps(self, folder: str) -> dict[str, Stamp]:
        """The materialized partitions, ascending."""
        ...

    def manifest(self, folder: str, key: str) -> Manifest | None: ...

    def manifests(self, folder: str, upto: str) -> list[tuple[str, Manifest]]: ...

    def generation(self, folder: str, key: str) -> Generation: ...

    def commit(self, folder: str, key: str, old: Generation, new: Manifest, *, made: Iterable[Part]) -> bool:
        """Puts the new generation in the old one's place, parts first; False where another one is there."""
        ...

    def set_aside(self, folder: str, key: str) -> None: ...

    def sweep(
        self, folder: str, locked: Callable[[str], AbstractContextManager[None]], grace_seconds: float
    ) -> list[Path]:
        """Removes what no manifest names and is older than the grace period; says what it was."""
        ...
