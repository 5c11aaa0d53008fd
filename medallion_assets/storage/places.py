"""Which place it is that a path or a URL names."""

from __future__ import annotations

from pathlib import Path

from medallion_assets.roots import BUCKET_SCHEME
from medallion_assets.storage.place import Place


def place_at(data: str | Path | Place) -> Place:
    """The place at a path, or at a URL as in s3://bucket/prefix."""
    if isinstance(data, Path):
        from medallion_assets.storage.folder import Folder

        return Folder(data)
    if not isinstance(data, str):
        return data
    if not data.startswith(BUCKET_SCHEME):
        return place_at(Path(data))
    from medallion_assets.storage.s3.bucket import bucket_at

    return bucket_at(data)
