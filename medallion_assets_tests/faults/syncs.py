"""In which order files are written, synced and named, as the system calls tell."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from medallion_assets_tests.faults.trees import PASSING


@dataclass(frozen=True)
class Step:
    """`size` is the file's at that moment; None of a folder."""

    call: str
    path: Path
    size: int | None
    target: Path | None = None


@contextmanager
def recorded() -> Iterator[list[Step]]:
    """Every fsync, and every call that gives a file its name, in their order."""
    steps: list[Step] = []
    fsync, replace, link = os.fsync, os.replace, os.link

    def record_fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        steps.append(Step("fsync", path, None if path.is_dir() else path.stat().st_size))
        fsync(descriptor)

    def record_replace(source: Path, target: Path) -> None:
        steps.append(Step("name", Path(source), Path(source).stat().st_size, Path(target)))
        replace(source, target)

    def record_link(source: Path, target: Path) -> None:
        steps.append(Step("name", Path(source), Path(source).stat().st_size, Path(target)))
        link(source, target)

    with (
        patch.object(os, "fsync", record_fsync),
        patch.object(os, "replace", record_replace),
        patch.object(os, "link", record_link),
    ):
        yield steps


def out_of_order(steps: list[Step]) -> str | None:
    """Which file got its name before its content was on the disk, or whose name was not made to last."""
    for number, step in enumerate(steps):
        if step.target is None or PASSING & set(step.target.parts) or step.target.suffix == ".duckdb":
            continue
        released = "releases" in step.target.parts
        whole = any(each.path == step.path and each.size == step.size for each in steps[:number])
        if not whole and not _is_linked(step):
            return f"{step.target} was named before it was synced"
        lasting = any(each.path == step.target.parent and each.size is None for each in steps[number:])
        if not lasting and not released:
            return f"the folder of {step.target} was not synced afterwards"
    return None


def _is_linked(step: Step) -> bool:
    """A second name for a file of the store, which is on the disk already."""
    return "releases" in (step.target or step.path).parts and "releases" not in step.path.parts
