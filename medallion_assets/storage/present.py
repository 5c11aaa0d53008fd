"""The files of a table as it is now, for any reader of Parquet: what its manifests name, and nothing else.

Belongs here: looking from outside, by a table's name alone. Does not: the store's own reading (store.py). A
folder also holds files of superseded generations, for readers that are still at them: who takes all that lies
there takes records twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from medallion_assets.roots import Roots
from medallion_assets.storage.manifest import MANIFEST_NAME, Manifest
from medallion_assets.storage.store import CURRENT_VERSION_NAME, MissingPartition


def present_files(
    table: str, *, first: str = "", last: str = "9999", data: str | Path | None = None
) -> list[Path]:
    """The files of `table`, as in "gold/sft_demo", by landing date: of all, or from `first` to `last`.

    Of a recipe, those of the version in use. They stay for an hour after they are superseded. `data` is the
    store's root (default: MEDALLION_DATA). Raises MissingPartition where there are none.
    """
    root = Path(data) if data is not None else Roots.from_environment().data
    found = [
        folder / part.name
        for folder, manifest in generations(root / table)
        if first <= folder.name.removeprefix("dt=") <= last
        for part in manifest.parts
    ]
    if not found:
        raise MissingPartition(table, f"from {first} to {last}" if first else "of any date")
    return found


def generations(table: Path) -> Iterator[tuple[Path, Manifest]]:
    """The folders of a table's partitions, of its version in use if it has versions, and their manifests."""
    current = table / CURRENT_VERSION_NAME
    root = table / f"v={current.read_text().strip()}" if current.exists() else table
    for manifest in sorted(root.glob(f"dt=*/{MANIFEST_NAME}")):
        yield manifest.parent, Manifest.read(manifest)
