"""Rows 8 to 12: a disk that is full, files that may not grow, writes that come short or fail, no descriptor
or no memory left.
"""

from __future__ import annotations

import errno
import io
import os
import pathlib
import resource
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from medallion_assets_tests.faults.children import start
from medallion_assets_tests.faults.fault import Fault, NotHere, chance
from medallion_assets_tests.faults.kills import steps_of
from medallion_assets_tests.faults.layers import LAYERS, Stand, stand_of, write
from medallion_assets_tests.storage.samples import at_each_step

SAID_SO = 71
MIB = 1 << 20
PAGE = 4096
TMPFS_BYTES = 64 * MIB
DISTURBED = ("bronze", "conformed", "unit", "gold", "release")
Disturb = Callable[[], None]


def write_disturbed(said: Path, disturb: Disturb, name: str, folder: Path) -> None:
    """Leaves the error's words behind, opened beforehand: it may be descriptors or room that is lacking."""
    with said.open("w") as file:
        os.dup2(file.fileno(), 2)  # libraries that run out of memory say so themselves
        try:
            disturb()
            write(name, folder)
        except Exception as error:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            file.write(f"{type(error).__name__}: {error}")
            file.flush()
            os._exit(SAID_SO)


def outcome(stand: Stand, ground: Path, disturb: Disturb, words: tuple[str, ...]) -> str | None:
    """What was violated when the writer ran disturbed, and then as it should."""
    wrong = _disturbed(stand, ground, disturb, words) or stand.rerun_differs()
    return wrong and f"{stand.layer.name}: {wrong}"


def _disturbed(stand: Stand, ground: Path, disturb: Disturb, words: tuple[str, ...]) -> str | None:
    """`words` are what an error may say; no words mean that the process may die of it."""
    said = ground / "said"
    code = start(write_disturbed, said, disturb, stand.layer.name, stand.folder).wait()
    text = said.read_text()
    if words and code not in (0, SAID_SO):
        return f"it ended with {code}"
    if words and code == SAID_SO and not any(word in text for word in words):
        return f"an error that does not tell: {text}"
    return stand.not_whole()


def _in_turn(
    fault: str, ground: Path, seeds: Iterable[int], disturb: Callable[[Any, str], Disturb], *words: str
) -> Iterator[str | None]:
    for seed in seeds:
        stand = stand_of(DISTURBED[seed % len(DISTURBED)])
        stand.reset()
        yield outcome(stand, ground, disturb(chance(fault, seed), stand.layer.name), words)


def _full_disk(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
    with _tmpfs(ground / "disk") as disk:
        stands = [Stand(LAYERS[name], disk / name) for name in DISTURBED]
        needs = [_need(stand, disk) for stand in stands]
        for seed in seeds:
            number = seed % len(stands)
            stand = stands[number]
            stand.reset()
            ballast = disk / "ballast"
            with ballast.open("wb") as file:
                room = chance("full", seed).randrange(0, needs[number], PAGE)
                os.posix_fallocate(file.fileno(), 0, max(PAGE, _free(disk) - room))
            wrong = _disturbed(stand, ground, _nothing, ("No space left on device",))
            ballast.unlink()
            wrong = wrong or stand.rerun_differs()
            yield wrong and f"{stand.layer.name} with {room} bytes left: {wrong}"


def _nothing() -> None:
    """Disturbs nobody."""


@contextmanager
def _tmpfs(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_BYTES}", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotHere("a small tmpfs can't be mounted; it takes root with CAP_SYS_ADMIN") from error
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _free(disk: Path) -> int:
    status = os.statvfs(disk)
    return status.f_bavail * status.f_frsize


def _need(stand: Stand, disk: Path) -> int:
    """How much the writer takes, to the page."""
    stand.reset()
    before = _free(disk)
    stand.layer.run(stand.folder)
    return max(PAGE, before - _free(disk))


def _file_size(random: Any, layer: str) -> Disturb:
    return partial(_limit, resource.RLIMIT_FSIZE, int(2 ** random.uniform(0, 15)))


def _descriptors(random: Any, layer: str) -> Disturb:
    return partial(_limit_descriptors, random.randrange(12))


def _limit_descriptors(more: int) -> None:
    _limit(resource.RLIMIT_NOFILE, max(map(int, os.listdir("/proc/self/fd"))) + more)  # noqa: PTH208


def _memory(random: Any, layer: str) -> Disturb:
    return partial(_limit_memory, random.randrange(120 * MIB))


def _limit_memory(more: int) -> None:
    # Where a backtrace is asked for, Rust's runtime that lacks memory to print one waits for itself for ever.
    os.environ["RUST_BACKTRACE"] = "0"
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _limit(resource.RLIMIT_AS, pages * PAGE + more)


def _limit(which: int, most: int) -> None:
    resource.setrlimit(which, (most, resource.getrlimit(which)[1]))


def _short_writes(random: Any, layer: str) -> Disturb:
    return partial(_write_through, partial(_short, random.randint(1, 5000)))


def _failing_write(random: Any, layer: str) -> Disturb:
    return partial(_write_through, partial(_fails_at, random.randrange(30_000)))


class Watched(io.FileIO):
    """A file whose every write `allowed` may cut short or refuse."""

    allowed: Callable[[Any], Any]

    def write(self, data: Any) -> int:
        return super().write(self.allowed(data))


def _short(most: int, data: Any) -> Any:
    return memoryview(data)[:most]


def _fails_at(left: int, data: Any) -> Any:
    """A disk that breaks after so many bytes, and stays so."""
    Watched.written = getattr(Watched, "written", 0) + len(data)
    if Watched.written > left:
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    return data


def _write_through(allowed: Callable[[Any], Any]) -> None:
    """From here on, what is opened for writing is watched."""
    plain = pathlib.Path.open
    Watched.allowed = staticmethod(allowed)

    def opened(path: Path, mode: str = "r", buffering: int = -1, **options: Any) -> Any:
        if mode not in ("wb", "xb"):
            return plain(path, mode, buffering, **options)
        return io.BufferedWriter(Watched(path, mode), 1 << 16)

    pathlib.Path.open = opened


def _failing_step(random: Any, layer: str) -> Disturb:
    return partial(_fail_at_step, random.randint(1, steps_of(layer)), random.choice((errno.EIO, errno.EROFS)))


def _fail_at_step(nth: int, code: int) -> None:
    def before(number: int) -> None:
        if number == nth:
            raise OSError(code, os.strerror(code))

    at_each_step(before)


NO_DESCRIPTOR = ("Too many open files",)
BROKEN = ("Input/output error", "Read-only file system")


def _fault(
    name: str, row: str, promise: str, disturb: Callable[[Any, str], Disturb], words: tuple[str, ...]
) -> Fault:
    def inject(ground: Path, seeds: Iterable[int]) -> Iterator[str | None]:
        return _in_turn(name, ground, seeds, disturb, *words)

    return Fault(name, row, promise, inject, quick=10, full=1000)


CLEAR = "B C D, an error that tells"
FAULTS = (
    Fault("full_disk", "8", CLEAR, _full_disk, quick=10, full=500),
    _fault("file_too_large", "9", CLEAR, _file_size, ("File too large",)),
    _fault("short_writes", "10", "B C D", _short_writes, BROKEN),
    _fault("failing_write", "10", CLEAR, _failing_write, BROKEN),
    _fault("failing_step", "10", CLEAR, _failing_step, BROKEN),
    _fault("no_descriptor", "11", CLEAR, _descriptors, NO_DESCRIPTOR),
    _fault("no_memory", "12", "B C D", _memory, ()),
)
