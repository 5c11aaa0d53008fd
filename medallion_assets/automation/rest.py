"""Since when nothing more became outdated: automation leaves alone what is still changing.

Belongs here: the comparison, and a small file beside the tables that remembers it from tick to tick, in
whatever process. Does not: what is outdated (settle.py). Without the file the wait begins anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from medallion_assets.automation.settle import Judgement
from medallion_assets.storage import files
from medallion_assets.storage.manifest import digest_of

FILE_NAME = ".outdated.json"
TablePath = tuple[str, str]


class Since(msgspec.Struct, frozen=True):
    """What was outdated, by its digest, and when that was first seen."""

    digest: str
    seconds: float


def since(
    before: Mapping[str, Since], judgements: Mapping[TablePath, Judgement], now: float
) -> dict[str, Since]:
    """By table that has outdated partitions; a change, or a clock that goes back, begins the wait anew."""
    found = {}
    for path, judgement in judgements.items():
        if judgement.outdated:
            name = "/".join(path)
            digest = digest_of(
                {key: msgspec.to_builtins(each.digests) for key, each in judgement.outdated.items()}
            )
            known = before.get(name)
            same = known is not None and known.digest == digest and known.seconds <= now
            found[name] = known if known and same else Since(digest, now)
    return found


def rested(
    root: Path, judgements: Mapping[TablePath, Judgement], *, now: float, seconds: float
) -> set[TablePath]:
    """The tables whose outdated partitions have been the same for so long."""
    path = root / FILE_NAME
    before = _read(path)
    found = since(before, judgements, now)
    if found != before:
        files.make_folder(root)
        files.replace_atomically(path, msgspec.json.encode(found))
    return {
        path for path in judgements if (known := found.get("/".join(path))) and now - known.seconds >= seconds
    }


def _read(path: Path) -> dict[str, Since]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Since])
    except (FileNotFoundError, msgspec.DecodeError):
        return {}
