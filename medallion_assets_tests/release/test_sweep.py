"""What a killed cut left goes once it is old; what somebody is at work on stays."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from medallion_assets.release.sweep import sweep
from medallion_assets.storage.files import exclusive_lock
from medallion_assets.storage.store import GRACE_SECONDS


def unfinished(root: Path, name: str, *, age: float) -> Path:
    folder = root / "releases" / f".tmp-{name}"
    (folder / "packed").mkdir(parents=True)
    (folder / "packed" / "part.parquet").write_bytes(b"half")
    then = time.time() - age
    os.utime(folder, (then, then))
    return folder


def test_only_what_is_old_and_unfinished_goes(tmp_path: Path) -> None:
    (tmp_path / "releases" / "v1").mkdir(parents=True)
    old, young = (
        unfinished(tmp_path, name, age=age) for name, age in (("v2", GRACE_SECONDS + 60), ("v3", 0))
    )
    assert sweep(tmp_path) == [old]
    assert sorted(path.name for path in (tmp_path / "releases").iterdir()) == sorted([young.name, "v1"])
    assert sweep(tmp_path / "nothing") == []


def test_a_cut_that_takes_long_is_left_to_end(tmp_path: Path) -> None:
    folder = unfinished(tmp_path, "v1", age=GRACE_SECONDS + 60)
    with ThreadPoolExecutor() as pool:
        with exclusive_lock(tmp_path / ".locks" / "releases" / "v1.lock"):
            sweeping = pool.submit(sweep, tmp_path)
            folder.rename(folder.with_name("v1"))
        assert sweeping.result() == []
    assert (tmp_path / "releases" / "v1" / "packed" / "part.parquet").exists()
