"""Verifications and remedies as people read them in a terminal.

Belongs here: words. Does not: finding anything out. Names of files may hold anything, so they are made inert.
"""

from __future__ import annotations

from collections.abc import Iterator

from medallion_assets.inert import inert
from medallion_assets.recover.damage import Verification
from medallion_assets.recover.rebuild import Remedy, by_place

MIB = 1 << 20


def verification_lines(found: Verification) -> Iterator[str]:
    looked = f"{found.files:,} files, {found.bytes / MIB:,.0f} MiB in {found.partitions:,} partitions"
    yield f"{looked}; {found.releases:,} releases"
    if not found.damages:
        yield "everything is as it was written"
        return
    yield f"DAMAGED: {len(found.damages):,} files"
    for place, damages in by_place(found.damages):
        yield inert(place.name)
        yield from (f"  {inert(damage.path)} {inert(damage.what)}" for damage in damages)


def remedy_lines(remedy: Remedy) -> Iterator[str]:
    yield f"{'done' if remedy.done else 'TO DO'}  {inert(remedy.place.name)}: {inert(remedy.what)}"
