"""Loading a release where models are trained: with pyarrow and datasets, without Dagster or a store.

Belongs here: the public `load` and `paths`. Does not: the order of a stream (stream.py),
hashing (verify.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

from medallion_assets.release.errors import NoRelease
from medallion_assets.release.manifest import TRAIN, Release, ReleasedFile, find_release
from medallion_assets.release.stream import Stream, streamed
from medallion_assets.release.verify import proven

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset


def load(
    name: str | Path,
    recipe: str | None = None,
    split: str = TRAIN,
    *,
    streaming: bool | Stream = False,
    data: str | Path | None = None,
) -> Dataset | IterableDataset:
    """A recipe's rows, once every file of them is proven to be what was released.

    `name` is a release of the store at `data` (default: MEDALLION_DATA), or its folder's path or URL;
    `recipe` may be left out where there is one only, and names a layout as in "sft-megatron". `streaming`
    gives an IterableDataset, in the order and the share that a Stream says; its state_dict() resumes exactly.

    Raises NoRelease where there is no such release, recipe or split, DamagedRelease with the files that are
    not what they were.
    """
    release, files = _chosen(name, recipe, split, data)
    found = proven(release, files)
    if streaming:
        return streamed(found, streaming if isinstance(streaming, Stream) else Stream())
    return _mapped(found)


def _mapped(found: Sequence[Path]) -> Dataset:
    """By the library, which left to itself takes paths for patterns and holds each file in memory whole."""
    from datasets import Dataset
    from pyarrow.dataset import ParquetFragmentScanOptions

    options = ParquetFragmentScanOptions(pre_buffer=False)
    return Dataset.from_parquet([escape(str(path)) for path in found], fragment_scan_options=options)


def paths(
    name: str | Path, recipe: str | None = None, split: str = TRAIN, *, data: str | Path | None = None
) -> list[Path]:
    """The Parquet files of a recipe, by landing date, for any other reader; not verified."""
    release, files = _chosen(name, recipe, split, data)
    return release.paths(files)


def _chosen(
    name: str | Path, recipe: str | None, split: str, data: str | Path | None
) -> tuple[Release, list[ReleasedFile]]:
    release = find_release(name, data)
    recipes = sorted({file.table for file in release.manifest.files if file.table})
    if recipe is None and len(release.manifest.recipes) == 1:
        recipe = release.manifest.recipes[0]
    if recipe not in recipes:
        asked = f"has no recipe {recipe!r}" if recipe else "has several recipes"
        raise NoRelease(f"the release {release.manifest.name} {asked}; name one of: {', '.join(recipes)}")
    of_recipe = [file for file in release.manifest.files if file.table == recipe]
    files = [file for file in of_recipe if file.split == split]
    if not files:
        splits = ", ".join(sorted({str(file.split) for file in of_recipe}))
        raise NoRelease(
            f"{recipe} of the release {release.manifest.name} has no split {split!r}, but: {splits}"
        )
    return release, sorted(files, key=lambda file: (str(file.partition), file.path))
