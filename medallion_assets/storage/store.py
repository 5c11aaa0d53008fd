"""The partition store: immutable parts, one manifest per partition, whole generations only.

Belongs here: how partitions are named, and the protocols that overwrite, append, read and sweep them. Does
not: where they lie (place.py), how a part is encoded (parts.py), what its rows mean (schemas.py), or anything
of Dagster.

    <root>/<layer>/<table>[/v=<version>]/dt=<key>/part-00000-<hash12>.parquet, rejects-…, _manifest.json
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import IO

import pyarrow as pa

from medallion_assets.storage import files
from medallion_assets.storage.manifest import Digests, Manifest, Part, content_hash, digest_of
from medallion_assets.storage.parts import PartWriter, read_batches
from medallion_assets.storage.place import GRACE_SECONDS, Entry, Generation, Place, Stamp
from medallion_assets.storage.places import place_at
from medallion_assets.storage.tables import (
    CURRENT_VERSION_NAME,
    SAFE_NAME,
    Append,
    Build,
    ImmutablePartition,
    MissingFingerprints,
    MissingPartition,
    OtherSchema,
    PartitionWriter,
    Table,
    WriteInstead,
    Written,
    safe,
)

__all__ = [
    "CURRENT_VERSION_NAME",
    "GRACE_SECONDS",
    "SAFE_NAME",
    "Append",
    "Build",
    "ImmutablePartition",
    "MissingFingerprints",
    "MissingPartition",
    "OtherSchema",
    "PartitionStore",
    "PartitionWriter",
    "Table",
    "WriteInstead",
    "Written",
]


class PartitionStore:
    """Reads and writes the partitions in one place. Safe among processes; see each method's promise."""

    def __init__(self, place: Path | str | Place) -> None:
        self.place = place_at(place)

    @property
    def root(self) -> Path:
        """The folder of this machine where what is read lies, and scratch beside it."""
        return self.place.root

    def table_folder(self, table: Table) -> Path:
        return self.root / table_name(table)

    def folder(self, table: Table, key: str) -> Path:
        """Where the partition's files lie once they are asked for; paths() and path() have them there."""
        return self.table_folder(table) / f"dt={safe(key)}"

    def shown(self, table: Table, key: str) -> str:
        """Where the partition lies, as people name it."""
        return self.place.shown(f"{table_name(table)}/dt={safe(key)}")

    def below(self, table: Table, folder: str) -> Place:
        """A folder beside the table's partitions."""
        return self.place.below(f"{table_name(table)}/{folder}")

    def keys(self, table: Table) -> list[str]:
        """The materialized partitions, ascending."""
        return list(self.stamps(table))

    def stamps(self, table: Table) -> Mapping[str, Stamp]:
        """Which manifest is in force in each: as long as these are the same, so is the table."""
        return self._holder(table).stamps(table_name(table))

    def manifests(self, table: Table, *, upto: str) -> list[tuple[str, Manifest]]:
        """The materialized partitions up to this one, ascending, with their present generations."""
        return self._holder(table).manifests(table_name(table), upto)

    def manifest(self, table: Table, key: str) -> Manifest | None:
        """The present generation, or None."""
        return self._holder(table).manifest(table_name(table), safe(key))

    def entries(self, table: Table, key: str) -> Mapping[str, Entry]:
        """What lies in the partition's folder, by name, without reading it."""
        return self._holder(table).entries(f"{table_name(table)}/dt={safe(key)}")

    def paths(self, table: Table, key: str, *, rejects: bool = False) -> list[Path]:
        """The files of the present generation.

        Raises MissingPartition if there is none, OtherSchema where its columns may not be those expected.
        """
        manifest = self.manifest(table, key)
        if manifest is None:
            raise MissingPartition(table.full_name, key)
        if table.schema.columns and manifest.schema_version != table.schema.version:
            raise OtherSchema(table, key, manifest.schema_version)
        return self.files(table, [(key, part) for part in (manifest.rejects if rejects else manifest.parts)])

    def files(self, table: Table, parts: Iterable[tuple[str, Part]]) -> list[Path]:
        """Where these parts, each with its partition, can be read."""
        return self._holder(table).fetch([(_name(table, key, part), part) for key, part in parts])

    def path(self, table: Table, key: str, part: Part) -> Path:
        [path] = self.files(table, [(key, part)])
        return path

    def opened(self, table: Table, key: str, part: Part) -> Path | IO[bytes]:
        """The part for a look at a few of its bytes."""
        return self._holder(table).opened(_name(table, key, part), part)

    def wrong(self, table: Table, key: str, part: Part) -> str | None:
        """How the stored part differs from what was written, all of it read; None where it does not."""
        name = _name(table, key, part)
        return self._holder(table).wrong(name, sha256=part.sha256, size=part.size)

    def as_stored(self, table: Table, key: str, part: Part) -> Path:
        """The part for a look at what has become of it."""
        return self._holder(table).as_stored(_name(table, key, part))

    def fingerprints(self, table: Table, *, upto: str) -> list[tuple[str, Path, Part]]:
        """Of the partitions up to this one that have rows, the files of their fingerprints.

        Raises MissingFingerprints where there are none.
        """
        parts = []
        for key, manifest in self.manifests(table, upto=upto):
            if manifest.rows and not manifest.fingerprints:
                raise MissingFingerprints(table, key)
            parts += [(key, part) for part in manifest.fingerprints if manifest.rows]
        paths = self.files(table, parts)
        return [(key, path, part) for (key, part), path in zip(parts, paths, strict=True)]

    def batches(
        self, table: Table, key: str, columns: Iterable[str] | None = None, *, rejects: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """The partition's rows in stored order, in bounded batches."""
        return read_batches(self.paths(table, key, rejects=rejects), list(columns) if columns else None)

    def overwrite(self, table: Table, key: str, build: Build) -> Written:
        """Replaces the partition by what `build` makes, or does nothing where its digests are unchanged.

        The lock is held throughout, so a second writer on this machine waits and then finds its work done;
        one elsewhere that was faster is found at the commit. If an input changes meanwhile, the partition is
        built again before the lock is released: a writer of an input either sees this partition stored and
        settles it, or is seen here.
        """
        if table.append_only:
            raise ImmutablePartition(
                f"{table.full_name} is append-only: its partitions are never overwritten"
            )
        made: Manifest | None = None
        changed = False
        with self._locked(table, key):
            while True:
                old, digests = self._generation(table, key), self._digests(build)
                now = old.manifest
                if now is not None and now.digests == digests and all(map(old.holds, now.files)):
                    self._make_current(
                        table
                    )  # only now: a version whose build fails must not hide the one in use
                    return Written(now, changed=changed)
                if made is None or made.digests != digests:
                    made = self._build(table, key, digests, build)
                if self._commit(table, key, old, made, made.files):
                    changed = True
                    if self._digests(build) == digests:
                        self._make_current(table)
                        return Written(made, changed=True)

    def append(self, table: Table, key: str, new: Append) -> Written:
        """Adds the parts that the partition does not hold yet; what it holds is never touched."""
        made: dict[str, Part] = {}
        with self._locked(table, key):
            while True:
                old = self._generation(table, key)
                held = (
                    {part.export: part for part in old.manifest.parts if part.export} if old.manifest else {}
                )
                # A part that someone deleted is made again from the export's kept bytes.
                wanted = [
                    label for label in sorted(new.parts) if label not in held or not old.holds(held[label])
                ]
                if old.manifest is not None and not wanted:
                    return Written(old.manifest, changed=bool(made))
                for label in wanted:
                    if label not in made:
                        made[label] = self._write_part(table, key, label, new.parts[label]())
                manifest = self._appended(
                    table, key, old.manifest, {label: made[label] for label in wanted}, new
                )
                if self._commit(table, key, old, manifest, manifest.parts if not wanted else made.values()):
                    return Written(manifest, changed=True)

    def set_aside(self, table: Table, key: str) -> None:
        """Takes a damaged generation's manifest away: the partition is not there until it is built again."""
        if table.append_only:
            raise ImmutablePartition(f"{table.full_name} is append-only: restore it from a back-up")
        with self._locked(table, key):
            self.place.set_aside(table_name(table), key)

    def restore_part(self, table: Table, key: str, part: Part, rows: Iterable[pa.Table]) -> bool:
        """Puts a part back that the manifest names, if these rows give its bytes; else changes nothing."""
        with self._locked(table, key):
            made = self._write_part(table, key, str(part.export), rows)
            if made.sha256 != part.sha256:
                (self.folder(table, key) / made.name).unlink()
                return False
            self.place.put(_name(table, key, made))
            return True

    def sweep(self, table: Table, *, grace_seconds: float = GRACE_SECONDS) -> list[Path]:
        """Removes orphans of crashes and parts superseded longer ago than the grace period."""
        return self.place.sweep(table_name(table), partial(self._locked, table), grace_seconds)

    def tables(self, layer: str) -> list[str]:
        """The names of a layer's tables, whoever made them."""
        return [name for name in self.place.folders(layer) if SAFE_NAME.fullmatch(name)]

    def versions(self, layer: str, name: str) -> list[str]:
        """Those of a versioned table, in use or not."""
        found = self.place.folders(f"{layer}/{name}")
        return [folder[2:] for folder in found if folder.startswith("v=")]

    def current_version(self, layer: str, name: str) -> str | None:
        """Of a versioned table, the one in use."""
        version = self.place.read(f"{layer}/{name}/{CURRENT_VERSION_NAME}")
        return version.decode().strip() if version is not None else None

    def _make_current(self, table: Table) -> None:
        """The version built last is the one that the catalogue shows."""
        if table.version and self.current_version(table.layer, table.name) != table.version:
            name = f"{safe(table.layer)}/{safe(table.name)}/{CURRENT_VERSION_NAME}"
            self.place.replace(name, table.version.encode())

    def _holder(self, table: Table) -> Place:
        """Where the table is read."""
        return self.place

    def _generation(self, table: Table, key: str) -> Generation:
        return self.place.generation(table_name(table), safe(key))

    def _digests(self, build: Build) -> Digests:
        with self.place.look():
            return build.digests()

    def _commit(self, table: Table, key: str, old: Generation, new: Manifest, made: Iterable[Part]) -> bool:
        return self.place.commit(table_name(table), safe(key), old, new, made=made)

    def _write_part(self, table: Table, key: str, label: str, rows: Iterable[pa.Table]) -> Part:
        writer = PartWriter(self.folder(table, key), table.schema, label=f"part-{label[:12]}")
        try:
            for batch in rows:
                writer.write(batch)
            return writer.finish(export=label)
        except WriteInstead as given:
            writer.abandon()
            return self._write_part(table, key, label, given.rows)
        except BaseException:
            writer.abandon()
            raise

    def _appended(
        self, table: Table, key: str, old: Manifest | None, made: Mapping[str, Part], new: Append
    ) -> Manifest:
        """The old generation with what was made, in an order that does not tell who came first."""
        held = {part.export: part for part in old.parts if part.export} if old else {}
        exports = dict(old.summary["exports"]) if old else {}
        held |= made
        exports |= {label: dict(new.summary(label)) for label in made}
        parts = tuple(held[label] for label in sorted(map(str, held)))
        if not parts:
            parts = (PartWriter(self.folder(table, key), table.schema, label="part-empty").finish(),)
        return Manifest(
            table_schema=table.schema.name,
            schema_version=table.schema.version,
            digests=Digests(inputs=digest_of(sorted(map(str, held))), code="", config=""),
            parts=parts,
            rejects=(),
            content_hash=content_hash(parts, ()),
            summary={"exports": exports},
        )

    def _build(self, table: Table, key: str, digests: Digests, build: Build) -> Manifest:
        writer = PartitionWriter(self.folder(table, key), table)
        try:
            with self.place.look():
                build.write(writer)
            part, reject, fingerprints = writer.finish()
        except BaseException:
            writer.abandon()
            raise
        return Manifest(
            table_schema=table.schema.name,
            schema_version=table.schema.version,
            digests=digests,
            parts=(part,),
            rejects=(reject,),
            content_hash=content_hash((part,), (reject,), *([fingerprints] if fingerprints else [])),
            summary=writer.summary,
            fingerprints=fingerprints,
        )

    @contextmanager
    def _locked(self, table: Table, key: str) -> Iterator[None]:
        folder = self.folder(table, key)  # which refuses what is no name
        name = "/".join(filter(None, (table.layer, table.name, table.version, key)))
        with files.exclusive_lock(self.root / ".locks" / f"{name}.lock"):
            files.make_folder(folder)
            yield


class Beside(PartitionStore):
    """A store that borrows some tables of another one, to read them, and writes its own."""

    def __init__(self, place: Path | Place, *, lender: PartitionStore, borrowed: Iterable[Table]) -> None:
        super().__init__(place)
        self._lender = lender
        self._borrowed = {table_name(table) for table in borrowed}

    def _holder(self, table: Table) -> Place:
        return self._lender.place if table_name(table) in self._borrowed else self.place


def table_name(table: Table) -> str:
    """The folder of the table's partitions."""
    return _table_name(table.layer, table.name, table.version)


@lru_cache(maxsize=1_000)
def _table_name(layer: str, name: str, version: str | None) -> str:
    """Asked for each of a table's days, several times a run."""
    home = f"{safe(layer)}/{safe(name)}"
    return f"{home}/v={safe(version)}" if version else home


def _name(table: Table, key: str, part: Part) -> str:
    return f"{table_name(table)}/dt={safe(key)}/{part.name}"
