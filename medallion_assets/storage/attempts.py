"""How often a partition was begun to be built from the same things, and never finished.

Belongs here: a small record beside the tables per partition that failed, written before the work begins, so
that a killed worker counts too. Does not: what follows from it (automation/). Deleting a record forgets it.
"""

from __future__ import annotations

import msgspec

from medallion_assets.storage.manifest import Digests
from medallion_assets.storage.place import Place, Stamp
from medallion_assets.storage.store import Build, PartitionStore, PartitionWriter, Table, Written

FOLDER_NAME = ".attempts"


class Attempts(msgspec.Struct, frozen=True):
    digests: Digests
    count: int


def counted_overwrite(store: PartitionStore, table: Table, key: str, build: Build) -> Written:
    """The store's overwrite, whose work is counted until it is finished; what is current is no attempt."""
    seen: list[Digests] = []

    def digests() -> Digests:
        seen[:] = [build.digests()]
        return seen[0]

    def write(writer: PartitionWriter) -> None:
        _begin(store.place, table, key, seen[0])
        build.write(writer)

    written = store.overwrite(table, key, Build(digests, write))
    store.place.remove(_name(table, key))
    return written


def attempts(place: Place, table: Table, key: str, digests: Digests) -> int:
    """How many were begun on these digests since the partition was last built."""
    record = place.read(_name(table, key))
    try:
        found = msgspec.json.decode(record, type=Attempts) if record is not None else None
    except msgspec.DecodeError:
        return 0  # cut short by a crash: one more attempt
    return found.count if found is not None and found.digests == digests else 0


def state(place: Place, table: Table) -> dict[str, Stamp]:
    """The partitions that were begun and not finished; it changes with every attempt at one."""
    return {name.removesuffix(".json"): stamp for name, stamp in place.records(_folder(table)).items()}


def _begin(place: Place, table: Table, key: str, digests: Digests) -> None:
    """Called while the partition is locked."""
    count = attempts(place, table, key, digests) + 1
    place.replace(_name(table, key), msgspec.json.encode(Attempts(digests, count)))


def _name(table: Table, key: str) -> str:
    return f"{_folder(table)}/{key}.json"


def _folder(table: Table) -> str:
    return "/".join(filter(None, (FOLDER_NAME, table.layer, table.name, table.version)))
