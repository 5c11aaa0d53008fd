"""Damaged partitions made again: silver and gold by their stages, bronze's parts from the kept exports.

Belongs here: which damage can be made good by what, and doing so in the order in which data flows. Does not:
finding it (damage.py). What can't be made again from what is sound is left as it is, and said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

import pyarrow as pa

from medallion_assets.extract.stage import BronzeStage
from medallion_assets.recover.damage import BRONZE, Damage, Place
from medallion_assets.release.manifest import RELEASES
from medallion_assets.stage import Stage
from medallion_assets.stages import PipelineStages
from medallion_assets.storage.manifest import MANIFEST_NAME, DamagedManifest, Manifest, NewerManifest
from medallion_assets.storage.store import Append, PartitionStore

FROM_BACKUP = "restore it from a back-up"
RELEASE = "restore these files from a copy, or cut a release of another name"


@dataclass(frozen=True)
class Remedy:
    """What became of a damaged place, or what a person has to do."""

    place: Place
    done: bool
    what: str


def by_place(damages: Sequence[Damage]) -> list[tuple[Place, list[Damage]]]:
    ordered = sorted(damages, key=lambda each: (each.place.name, each.path))
    return [(place, list(group)) for place, group in groupby(ordered, key=attrgetter("place"))]


def rebuild(damages: Sequence[Damage], stages: PipelineStages, store: PartitionStore) -> Iterator[Remedy]:
    """Makes good what can be, in the order of the graph, so that what is built reads what is sound."""
    open_places = dict(by_place(damages))
    for stage in stages.all():
        layer, table = stage.asset_path
        mine = [place for place in open_places if (place.layer, place.table) == (layer, table)]
        for place in sorted(mine, key=attrgetter("name")):
            if isinstance(stage, BronzeStage):
                yield from _bronze(stage, store, place, open_places.pop(place))
            elif place.version == stage.table.version:
                del open_places[place]
                yield _built(stage, store, place)
    yield from (Remedy(place, done=False, what=_by_hand(place)) for place in open_places)


def _built(stage: Stage, store: PartitionStore, place: Place) -> Remedy:
    key = str(place.key)
    try:
        before = store.manifest(stage.table, key)
    except (DamagedManifest, NewerManifest):
        before = None
    store.set_aside(stage.table, key)
    try:
        after = _overwritten(stage, store, key)
    except (OSError, LookupError, ValueError, pa.ArrowException) as error:
        return Remedy(
            place, done=False, what=f"can't be built again, since what it is made of is not sound: {error}"
        )
    return Remedy(place, done=True, what=f"built again: {_compared(before, after)}")


def _overwritten(stage: Stage, store: PartitionStore, key: str) -> Manifest:
    build = stage.build(store, key)
    if isinstance(build, Append):
        raise TypeError(f"{stage.table.full_name} is append-only, and only bronze is")
    return store.overwrite(stage.table, key, build).manifest


def _compared(before: Manifest | None, after: Manifest) -> str:
    if before is None:
        return "what it was is not known, since its manifest was damaged"
    if before.content_hash == after.content_hash:
        return "the same bytes as before"
    return "other rows than before, since its rules or inputs have changed; materialize what follows from it"


def _bronze(
    stage: BronzeStage, store: PartitionStore, place: Place, damages: Sequence[Damage]
) -> Iterator[Remedy]:
    if place.key is None:
        yield Remedy(
            place,
            done=False,
            what="the records are sound, their export's own bytes are not: deliver the same file again after "
            f"deleting this one, or {FROM_BACKUP}",
        )
        return
    for damage in damages:
        if damage.name != MANIFEST_NAME and _rendered(stage, store, place.key, damage.name):
            yield Remedy(place, done=True, what=f"{damage.name} rendered again from the kept export")
        else:
            yield Remedy(place, done=False, what=f"{damage.name}: {FROM_BACKUP}")


def _rendered(stage: BronzeStage, store: PartitionStore, key: str, name: str) -> bool:
    manifest = store.manifest(stage.table, key)
    [part] = [part for part in manifest.parts if part.name == name] if manifest else [None]
    if part is None or part.export is None:
        return False
    rows = stage.rows_again(store, key, part.export)
    return rows is not None and store.restore_part(stage.table, key, part, rows)


def _by_hand(place: Place) -> str:
    if place.layer == RELEASES:
        return RELEASE
    if place.layer == BRONZE:
        return f"its source is not configured any more: {FROM_BACKUP}"
    return "nothing of today's configuration makes it: delete the folder, or materialize the asset that does"
