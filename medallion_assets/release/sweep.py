"""What is left of cutting a release that was killed in the middle, cleared away.

Belongs here: telling it from a release that is being cut. Does not: making one (cut.py).
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from medallion_assets.release.manifest import RELEASES
from medallion_assets.storage import files
from medallion_assets.storage.store import GRACE_SECONDS


def sweep(root: Path, *, grace_seconds: float = GRACE_SECONDS) -> list[Path]:
    """Removes unfinished folders that nobody is at work on: who cuts a release holds its lock."""
    before = time.time() - grace_seconds
    found = [path for path in (root / RELEASES).glob(f"{files.TEMPORARY_PREFIX}*") if _is_older(path, before)]
    removed = []
    for folder in found:
        name = folder.name.removeprefix(files.TEMPORARY_PREFIX)
        with files.exclusive_lock(root / ".locks" / RELEASES / f"{name}.lock"):
            if _is_older(folder, before):  # else it was finished while we waited
                shutil.rmtree(folder)
                removed.append(folder)
    return removed


def _is_older(path: Path, before: float) -> bool:
    try:
        return path.stat().st_mtime < before
    except FileNotFoundError:
        return False
