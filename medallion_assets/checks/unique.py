"""Records that are there more than once, by what makes a record one.

Belongs here: counting the names of records in some partitions, a column of them. Does not: records that enter
and leave (conservation.py), or which of equal records survives (curate/dedup.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from medallion_assets.checks.finding import PARTITION, Fault, Finding
from medallion_assets.curate.fingerprint import key_column
from medallion_assets.curate.stage import UnitStage
from medallion_assets.storage.duck import connect
from medallion_assets.storage.parts import read_batches
from medallion_assets.storage.store import PartitionStore

SHOWN = 20
# So many names are counted in memory, some 50 bytes each; more are spilt to the disk.
IN_MEMORY = 1_000_000
REPEATED = """
SELECT {name} AS name, count(*) AS times FROM read_parquet($paths)
GROUP BY name HAVING times > 1 ORDER BY name LIMIT {shown}
"""
Named = dict[str, list[Path]]  # the files of each partition


def repeated_in_unit(unit: UnitStage, store: PartitionStore, keys: Sequence[str]) -> Finding:
    """Records of a unit that these partitions have more than once, together."""
    files = {key: store.paths(unit.table, key) for key in keys}
    rows = sum(manifest.rows for key in keys if (manifest := store.manifest(unit.table, key)))
    name = key_column(unit.unit)
    paths = [path for each in files.values() for path in each]
    repeated = _repeated(paths, name, scratch=store.root / ".scratch" if rows > IN_MEMORY else None)
    return Finding.of(len(keys), _placed(repeated, name, files), records=rows)


def _repeated(paths: Sequence[Path], name: str, *, scratch: Path | None) -> dict[str, int]:
    """How often each name is there that is there more than once; at most SHOWN of them, the first by name."""
    if scratch is not None:
        with connect(scratch) as duck:
            query = REPEATED.format(name=name, shown=SHOWN)
            return dict(duck.execute(query, {"paths": [str(path) for path in paths]}).fetchall())
    names = pa.chunked_array((batch.column(name) for batch in read_batches(paths, [name])), pa.string())
    counted = pc.value_counts(names)
    more = counted.filter(pc.greater(counted.field("counts"), 1)).to_pylist()
    return dict(sorted((each["values"], each["counts"]) for each in more)[:SHOWN])


def _placed(repeated: dict[str, int], name: str, files: Named) -> list[Fault]:
    """A fault for each partition that has one of these."""
    if not repeated:
        return []
    wanted = pa.array(list(repeated))
    return [
        {PARTITION: key, name: value, "times_in_all": repeated[value]}
        for key, paths in files.items()
        for value in _present(paths, name, wanted)
    ]


def _present(paths: Sequence[Path], name: str, wanted: pa.Array) -> list[str]:
    found: set[str] = set()
    for batch in read_batches(paths, [name]):
        column = batch.column(name)
        found.update(column.filter(pc.is_in(column, wanted)).to_pylist())
    return sorted(found)
