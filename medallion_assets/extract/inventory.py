"""What lies in a source's landing folder: exports known by the SHA-256 of their bytes.

Belongs here: walking, refusing what is no plain file, leaving out half-written files, landing dates.
Does not: remembering where each export belongs (ledger.py), reading records (containers.py) or deciding
what to run (automation/).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import signal
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from medallion_assets.extract.ledger import Claim, Ledger
from medallion_assets.storage import files
from medallion_assets.storage.place import Place
from medallion_assets.storage.places import place_at

# A file is taken once nobody has it open for writing and it has been left alone for this long.
SETTLE_SECONDS = 2.0
IN_PROGRESS_SUFFIXES = (".tmp", ".part", ".partial", ".crdownload", ".filepart", ".swp", "~")
DATE_FOLDER = re.compile(r"(?:dt=)?(\d{4}-\d{2}-\d{2})", re.ASCII)
DATE_IN_NAME = re.compile(r"(?<!\d)(\d{4})(-?)(\d{2})\2(\d{2})(?!\d)", re.ASCII)


@dataclass(frozen=True)
class Export:
    """A landed file. `file` and `landing_date` are those of its first sight; `path` holds its bytes now."""

    sha256: str
    file: str
    landing_date: date
    size: int
    path: Path
    order: int | None = None


@dataclass(frozen=True)
class LandingRules:
    """How a source's folder is read.

    With a `marker`, files are taken once a file of that name lies beside them. `shown` gives a file's name as
    it may be recorded. `numbered` exports remember in which order they came.
    """

    marker: str | None = None
    shown: Callable[[str], str] = str
    numbered: bool = False


EVERYTHING = LandingRules()


@dataclass(frozen=True)
class Inventory:
    """One look at a landing folder. Nothing in it is skipped without standing in one of these lists."""

    exports: tuple[Export, ...]  # by landing date, then SHA-256
    redelivered: tuple[str, ...]  # files whose bytes landed before, under another name or date
    unsettled: tuple[str, ...]  # still being written
    refused: tuple[tuple[str, str], ...]  # (file, why)

    def by_date(self) -> dict[date, list[Export]]:
        grouped: dict[date, list[Export]] = {}
        for export in self.exports:
            grouped.setdefault(export.landing_date, []).append(export)
        return grouped


class _Seen(msgspec.Struct, array_like=True):
    """Cache entry, by inode since shown names may be equal: the SHA-256 of a file not touched since."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    sha256: str

    def is_of(self, status: os.stat_result) -> bool:
        now = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        return (self.size, self.mtime_ns, self.ctime_ns, self.inode) == now


def date_in_path(file: str) -> date | None:
    """The landing date that a path spells: a date folder, else eight digits in the file's name."""
    *folders, name = file.split("/")
    for folder in reversed(folders):
        if (match := DATE_FOLDER.fullmatch(folder)) and (day := _valid_date(match[1])):
            return day
    for match in DATE_IN_NAME.finditer(name):
        if day := _valid_date("-".join(match.group(1, 3, 4))):
            return day
    return None


def undated(file: str) -> str:
    """The path without its date folders: what deliveries of one file on several dates have in common."""
    *folders, name = file.split("/")
    return "/".join([*(folder for folder in folders if not DATE_FOLDER.fullmatch(folder)), name])


def scan(
    landing: Path, ledger: Path | Place, *, rules: LandingRules = EVERYTHING, wait: bool = False
) -> Inventory:
    """Looks at everything in `landing`; `ledger` is the source's folder of once-only records.

    With `wait`, files touched a moment ago are given the time to settle, so that a run started by hand
    right after a drop takes them. A missing folder is an empty one.
    """
    ledger = place_at(ledger)
    cache_path = ledger.root / "_cache.json"
    cache = _read_cache(cache_path)
    found: list[_Found] = []
    unsettled: list[str] = []
    refused: list[tuple[str, str]] = []
    for file, path in _walk(landing, rules, refused):
        name = rules.shown(file)
        if (known := _known(file, path, cache)) and not _lacks_marker(path, rules):
            found.append(_Found(date_in_path(file), name, path, *known))
        elif why := _refusal(file, path):
            refused.append((printable(name), why))
        elif _lacks_marker(path, rules) or not (seen := _settled_digest(path, cache, wait=wait)):
            unsettled.append(name)
        else:
            found.append(_Found(date_in_path(file), name, path, *seen))
    _write_cache(
        cache_path, cache, {str(each.status.st_ino): _seen(each.status, each.sha256) for each in found}
    )
    exports, redelivered = _claim_all(found, Ledger(ledger), numbered=rules.numbered)
    return Inventory(exports, redelivered, tuple(unsettled), tuple(refused))


class _Found(NamedTuple):
    day: date | None
    name: str
    path: Path
    status: os.stat_result
    sha256: str


def _lacks_marker(path: Path, rules: LandingRules) -> bool:
    return rules.marker is not None and not (path.parent / rules.marker).exists()


def _claim_all(
    found: list[_Found], ledger: Ledger, *, numbered: bool
) -> tuple[tuple[Export, ...], tuple[str, ...]]:
    """Earliest date first, so that among files first seen together the result follows from their paths."""
    today = datetime.now(UTC).date()
    order = len(ledger.exports()) if numbered else None
    exports: dict[str, Export] = {}
    redelivered = []
    for each in sorted(found, key=lambda each: (each.day or today, each.name)):
        first = Claim(each.name, each.day or today, each.status.st_size, order)
        claim = ledger.claim(each.sha256, first)
        order = None if order is None else order + (claim == first)
        if claim.file != each.name:
            redelivered.append(each.name)
        if each.sha256 not in exports:
            exports[each.sha256] = Export(
                each.sha256, claim.file, claim.landing_date, claim.size, each.path, claim.order
            )
    return tuple(sorted(exports.values(), key=lambda e: (e.landing_date, e.sha256))), tuple(redelivered)


def _walk(landing: Path, rules: LandingRules, refused: list[tuple[str, str]]) -> Iterator[tuple[str, Path]]:
    """Every file below, by path. Hidden and in-progress names are the writer's own business: not landed."""
    if not landing.exists():
        return

    def unreadable(error: OSError) -> None:
        folder = Path(error.filename).relative_to(landing).as_posix()
        refused.append((printable(rules.shown(folder)), f"can't be listed: {error.strerror}"))

    for folder, names, entries in os.walk(landing, onerror=unreadable):
        names[:] = sorted(name for name in names if not name.startswith("."))
        linked = [name for name in names if os.path.islink(f"{folder}/{name}")]  # noqa: PTH114
        here = Path(folder)
        below = "" if here == landing else f"{here.relative_to(landing).as_posix()}/"
        for name in sorted(entries + linked):
            ours = name == rules.marker or name.startswith(".") or name.endswith(IN_PROGRESS_SUFFIXES)
            if not ours:
                yield f"{below}{name}", here / name


def printable(name: str) -> str:
    """A file name as logs and event stores can hold it: bytes that are not UTF-8 come out as escapes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _refusal(file: str, path: Path) -> str | None:
    try:
        file.encode()
        mode = path.lstat().st_mode
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    except OSError as error:
        return f"can't be looked at: {error.strerror}"
    if stat.S_ISLNK(mode):
        return "is a symbolic link; move or copy the file itself here"
    if not stat.S_ISREG(mode):
        return "is not a regular file"
    return None if os.access(path, os.R_OK) else "can't be read: permission denied"


def _known(file: str, path: Path, cache: dict[str, _Seen]) -> tuple[os.stat_result, str] | None:
    """What an earlier scan found and nobody has touched since, without opening it: sensors ask all day."""
    try:
        file.encode()
        status = os.lstat(path)
    except (OSError, ValueError):
        return None
    seen = cache.get(str(status.st_ino))
    return (status, seen.sha256) if seen is not None and seen.is_of(status) else None


def _settled_digest(path: Path, cache: dict[str, _Seen], *, wait: bool) -> tuple[os.stat_result, str] | None:
    """The file's status and SHA-256, or None while it is being written (or has just vanished)."""
    try:
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            seen = cache.get(str(before.st_ino))
            if seen is not None and seen.is_of(before):
                return before, seen.sha256
            if _is_being_written(file.fileno()):
                return None
            if (left := _seconds_to_settle(before)) > 0:
                if not wait:
                    return None
                time.sleep(left)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            after = path.lstat()
    except FileNotFoundError:
        return None
    return (after, sha256) if _seen(before, sha256).is_of(after) else None


def _seconds_to_settle(status: os.stat_result) -> float:
    """A time stamp in the future comes from another clock and says nothing about now."""
    age = time.time() - status.st_mtime
    return SETTLE_SECONDS - age if 0 <= age < SETTLE_SECONDS else 0.0


def _is_being_written(descriptor: int) -> bool:
    """Asks the kernel: a read lease is refused while anyone has the file open for writing (Linux)."""
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        # A writer that comes meanwhile is signalled to us; the default signal would end the process.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:
        return False  # no leases on this file system, or another user's file: the settling time decides
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def _seen(status: os.stat_result, sha256: str) -> _Seen:
    return _Seen(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, sha256)


def _read_cache(path: Path) -> dict[str, _Seen]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, _Seen])
    except (FileNotFoundError, ValueError):
        return {}  # only a cache: hashing again costs time, not truth


def _write_cache(path: Path, old: dict[str, _Seen], new: dict[str, _Seen]) -> None:
    if new != old:
        files.make_folder(path.parent)
        files.replace_atomically(path, msgspec.json.encode(new))


def _valid_date(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 1970 <= day.year < 2100 else None
