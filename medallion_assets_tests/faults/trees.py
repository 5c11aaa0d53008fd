"""What lies in a store, file by file, and how two stores differ."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from medallion_assets.storage.files import TEMPORARY_PREFIX

# Not told apart by what a run does: the kernel's locks, a cache, an asset of figures.
PASSING = {".locks", "_cache.json", ".outdated.json", ".scratch", ".buckets", ".proofs", "profile"}
Tree = dict[str, str]


def tree(data: Path) -> Tree:
    """Every file that counts, with its SHA-256."""
    return {
        path.relative_to(data).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in data.rglob("*")
        if path.is_file() and not path.is_symlink() and _counts(path.relative_to(data))
    }


def _counts(path: Path) -> bool:
    return not (
        PASSING & set(path.parts)
        or path.suffix == ".duckdb"
        or any(part.startswith(TEMPORARY_PREFIX) for part in path.parts)
    )


def differences(expected: Tree, found: Tree) -> str | None:
    if expected == found:
        return None
    missing, extra = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    other = sorted(path for path in expected.keys() & found.keys() if expected[path] != found[path])
    return f"missing {missing[:3]}, not expected {extra[:3]}, with other bytes {other[:3]}"


def linked_copy(source: Path, target: Path) -> None:
    """In the place of what is there. Files are never written in place, so links serve as copies."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, copy_function=_link, ignore=shutil.ignore_patterns(".locks"))


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)
