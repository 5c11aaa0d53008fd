"""The files of a release, written into its folder: linked, laid out anew, or copied.

Belongs here: how each kind of file comes to lie there. Does not: which files a release has (cut.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from medallion_assets.package.stage import GoldStage
from medallion_assets.release.layouts import GOLD_COLUMNS, LAYOUTS
from medallion_assets.release.manifest import PinnedTokenizer, ReleasedFile
from medallion_assets.schemas import SFT_UNIT
from medallion_assets.storage import files
from medallion_assets.storage.manifest import Manifest, Part
from medallion_assets.storage.parts import PartWriter, read_batches
from medallion_assets.storage.store import PartitionStore


@dataclass(frozen=True)
class Frozen:
    """One gold partition of the release, as the store has it and as the manifest lists it."""

    stage: GoldStage
    manifest: Manifest
    part: Part
    file: ReleasedFile


def linked(store: PartitionStore, each: Frozen, folder: Path) -> ReleasedFile:
    path = folder / each.file.path
    _link(store.path(each.stage.table, each.file.partition or "", each.part), path)
    return each.file


def _link(source: Path, path: Path) -> None:
    """A second name for the same bytes, or a copy where the file system has no such thing."""
    made(path.parent)
    try:
        os.link(source, path)
    except OSError:
        _copy(source, path)


def _copy(source: Path, path: Path) -> None:
    with source.open("rb") as content, files.HashingFile(path) as copy:
        while chunk := content.read(files.COPY_CHUNK_BYTES):
            copy.write(chunk)


def laid_out(each: Frozen, layout: str, folder: Path) -> ReleasedFile:
    file = replace(each.file, layout=layout)
    home = made(folder / str(file.table) / str(file.split) / f"dt={file.partition}")
    rule = LAYOUTS[layout]
    writer = PartWriter(home, rule.schema, label="part-00000")
    try:
        for batch in read_batches([folder / each.file.path], GOLD_COLUMNS):
            writer.write(rule.convert(batch))
        part = writer.finish()
    except BaseException:
        writer.abandon()
        raise
    path = str((home / part.name).relative_to(folder))
    return replace(file, path=path, sha256=part.sha256, size=part.size, rows=part.rows)


def is_sft(stage: GoldStage) -> bool:
    return stage.silver.schema.name == SFT_UNIT


def kept_tokenizer(pin: PinnedTokenizer, source: Path, folder: Path) -> Iterator[ReleasedFile]:
    """Copies, since the folder that they lie in is the user's own."""
    home = made(folder / pin.folder)
    for name in pin.files:
        if not (home / name).exists():  # of another recipe with the same tokenizer
            _copy(source / name, home / name)
        yield other(f"{pin.folder}/{name}", folder)


def other(path: str, folder: Path, *, rows: int | None = None) -> ReleasedFile:
    found = folder / path
    return ReleasedFile(path=path, sha256=files.sha256_of(found), size=found.stat().st_size, rows=rows)


def made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
