"""The partition store: immutable parts, one manifest per partition, whole generations only.

Belongs here: where partitions lie, and the protocols that overwrite, append, read and sweep them.
Does not: how a part is encoded (parts.py), what its rows mean (schemas.py), or anything of Dagster.

    <root>/<layer>/<table>[/v=<version>]/dt=<key>/part-00000-<hash12>.parquet, rejects-…, _manifest.json
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from medallion_assets.schemas import FINGERPRINTS, REJECTS, TableSchema
from medallion_assets.storage import files
from medallion_assets.storage.manifest import (
    MANIFEST_NAME,
    Digests,
    Manifest,
    Part,
    content_hash,
    digest_of,
)
from medallion_assets.storage.parts import MappedPartWriter, PartWriter, read_batches

# How long a superseded part stays for readers that opened the manifest before it was replaced.
GRACE_SECONDS = 3600
# In a versioned table, the file that says which version is in use.
CURRENT_VERSION_NAME = "_current"
# Partition keys and table names become folder names: slugs and dates, nothing that climbs out.
SAFE_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}", re.ASCII)


class MissingPartition(LookupError):
    """A partition that has not been materialized."""

    def __init__(self, table: str, key: str) -> None:
        self.table = table
        self.key = key
        super().__init__(
            f"{table} has no partition {key}; materialize it first: "
            f"dagster asset materialize --select {table} --partition {key}"
        )


class OtherSchema(LookupError):
    """A partition that was written under another version of its table's schema."""

    def __init__(self, table: Table, key: str, found: int) -> None:
        super().__init__(
            f"{table.full_name} {key} has version {found} of the schema {table.schema.name}, and this code "
            f"reads version {table.schema.version}; rebuild it first: "
            f"dagster asset materialize --select {table.full_name} --partition {key}"
        )


class MissingFingerprints(LookupError):
    """A partition that a version without fingerprints wrote."""

    def __init__(self, table: Table, key: str) -> None:
        super().__init__(
            f"{table.full_name} {key} has no fingerprints, which an older version did not write; rebuild it: "
            f"dagster asset materialize --select {table.full_name} --partition {key}, "
            "or all days at once with --partition-range FIRST...LAST"
        )


class ImmutablePartition(RuntimeError):
    """An attempt to overwrite or shrink an append-only partition."""


class WriteInstead(Exception):
    """Raised while rows are made: drop what this part has so far, and write these rows instead."""

    def __init__(self, rows: Iterable[pa.Table]) -> None:
        self.rows = rows
        super().__init__("the rows so far are not to be kept")


@dataclass(frozen=True)
class Table:
    """A table of the store. `version` separates generations of the whole table, as gold's tokenizers do.

    Beside its rows, a `fingerprinted` one keeps what comparing them needs.
    """

    layer: str
    name: str
    schema: TableSchema
    append_only: bool = False
    version: str | None = None
    fingerprinted: bool = False

    @property
    def full_name(self) -> str:
        return f"{self.layer}/{self.name}"


class PartitionWriter:
    """Where a build puts the rows and the rejects of one partition, and its summary."""

    def __init__(self, folder: Path, table: Table) -> None:
        self._rows = PartWriter(folder, table.schema, label="part-00000")
        self._rejects = PartWriter(folder, REJECTS, label="rejects-00000")
        self._fingerprints = (
            [MappedPartWriter(folder, FINGERPRINTS, label="fingerprints-00000")]
            if table.fingerprinted
            else []
        )
        self.summary: dict[str, Any] = {}

    def rows(self, table: pa.Table) -> None:
        self._rows.write(table)

    def rejects(self, table: pa.Table) -> None:
        self._rejects.write(table)
        by_reason = self.summary.setdefault("rejected", {})
        for item in table.column("reason").value_counts().to_pylist():
            by_reason[item["values"]] = by_reason.get(item["values"], 0) + item["counts"]

    def fingerprints(self, table: pa.Table) -> None:
        """Those of the rows, in their order."""
        self._fingerprints[0].write(table)

    def finish(self) -> tuple[Part, Part, tuple[Part, ...]]:
        fingerprints = tuple(writer.finish() for writer in self._fingerprints)
        if any(part.rows != self._rows.rows for part in fingerprints):
            raise ValueError(f"{self._rows.rows} rows came with {fingerprints[0].rows} fingerprints")
        return self._rows.finish(), self._rejects.finish(), fingerprints

    def abandon(self) -> None:
        for writer in (self._rows, self._rejects, *self._fingerprints):
            writer.abandon()


@dataclass(frozen=True)
class Build:
    """How to make one partition: its digests, known beforehand, and the work, done only if they changed.

    `digests` is a function since the inputs must be looked at while the partition is locked. `rows` counts
    what `write` can make in ranges of rows.
    """

    digests: Callable[[], Digests]
    write: Callable[[PartitionWriter], None]
    rows: Callable[[], int] = field(default=lambda: 0)


@dataclass(frozen=True)
class Append:
    """New parts of an append-only partition, by a label unique to their content (an export's SHA-256)."""

    parts: Mapping[str, Callable[[], Iterable[pa.Table]]]
    summary: Callable[[str], Mapping[str, Any]] = field(default=lambda label: {})


@dataclass(frozen=True)
class Written:
    """What became of one partition: its manifest, and whether any byte changed."""

    manifest: Manifest
    changed: bool


class PartitionStore:
    """Reads and writes partitions below one root folder. Safe among processes; see each method's promise."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def table_folder(self, table: Table) -> Path:
        return _table_folder(self.root, table.layer, table.name, table.version)

    def folder(self, table: Table, key: str) -> Path:
        return self.table_folder(table) / f"dt={_safe(key)}"

    def keys(self, table: Table) -> list[str]:
        """The materialized partitions, ascending."""
        folder = self.table_folder(table)
        # By hand, since a long history asks this of thousands of folders at once.
        return [key for key in _dated(folder) if os.path.exists(f"{folder}/dt={key}/{MANIFEST_NAME}")]  # noqa: PTH110

    def manifests(self, table: Table, *, upto: str) -> list[tuple[str, Manifest]]:
        """The materialized partitions up to this one, ascending, with their present generations."""
        folder, found = self.table_folder(table), []
        for key in _dated(folder):
            if key <= upto:
                with suppress(FileNotFoundError):
                    found.append((key, Manifest.read(f"{folder}/dt={key}/{MANIFEST_NAME}")))
        return found

    def manifest(self, table: Table, key: str) -> Manifest | None:
        """The present generation, or None."""
        try:
            return Manifest.read(f"{self.table_folder(table)}/dt={_safe(key)}/{MANIFEST_NAME}")
        except FileNotFoundError:
            return None

    def paths(self, table: Table, key: str, *, rejects: bool = False) -> list[Path]:
        """The files of the present generation.

        Raises MissingPartition if there is none, OtherSchema where its columns may not be those expected.
        """
        manifest = self.manifest(table, key)
        if manifest is None:
            raise MissingPartition(table.full_name, key)
        if table.schema.columns and manifest.schema_version != table.schema.version:
            raise OtherSchema(table, key, manifest.schema_version)
        folder = self.folder(table, key)
        return [folder / part.name for part in (manifest.rejects if rejects else manifest.parts)]

    def fingerprints(self, table: Table, key: str, manifest: Manifest) -> tuple[Path, Part]:
        """The file of the rows' fingerprints. Raises MissingFingerprints where there is none."""
        if not manifest.fingerprints:
            raise MissingFingerprints(table, key)
        [part] = manifest.fingerprints
        return self.folder(table, key) / part.name, part

    def batches(
        self, table: Table, key: str, columns: Iterable[str] | None = None, *, rejects: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """The partition's rows in stored order, in bounded batches."""
        return read_batches(self.paths(table, key, rejects=rejects), list(columns) if columns else None)

    def overwrite(self, table: Table, key: str, build: Build) -> Written:
        """Replaces the partition by what `build` makes, or does nothing where its digests are unchanged.

        The lock is held throughout, so a second writer waits and then finds its work done. If an input
        changes meanwhile, the partition is built again before the lock is released: a writer of an input
        either sees this partition on disk and settles it, or is seen here.
        """
        if table.append_only:
            raise ImmutablePartition(
                f"{table.full_name} is append-only: its partitions are never overwritten"
            )
        folder = self.folder(table, key)
        with self._locked(table, key):
            old = self.manifest(table, key)
            digests = build.digests()
            if old is not None and old.digests == digests and _is_complete(folder, old):
                self._make_current(table)
                return Written(old, changed=False)
            while True:
                manifest = self._build(table, folder, digests, build)
                self._commit(folder, old, manifest)
                now = build.digests()
                if now == digests:
                    break
                old, digests = manifest, now
            self._make_current(table)  # only now: a version whose build fails must not hide the one in use
            return Written(manifest, changed=True)

    def append(self, table: Table, key: str, new: Append) -> Written:
        """Adds the parts that the partition does not hold yet; what it holds is never touched."""
        folder = self.folder(table, key)
        with self._locked(table, key):
            old = self.manifest(table, key)
            held = {part.export: part for part in old.parts if part.export} if old else {}
            exports = dict(old.summary["exports"]) if old else {}
            # A part that someone deleted is made again from the export's kept bytes.
            wanted = [label for label in sorted(new.parts) if not _is_there(folder, held.get(label))]
            if old is not None and not wanted:
                return Written(old, changed=False)
            for label in wanted:
                held[label] = self._write_part(table, folder, label, new.parts[label]())
                exports[label] = dict(new.summary(label))
            parts = tuple(held[label] for label in sorted(held)) or (self._write_empty_part(table, folder),)
            manifest = Manifest(
                table_schema=table.schema.name,
                schema_version=table.schema.version,
                digests=Digests(inputs=digest_of(sorted(held)), code="", config=""),
                parts=parts,
                rejects=(),
                content_hash=content_hash(parts, ()),
                summary={"exports": exports},
            )
            self._commit(folder, old, manifest)
            return Written(manifest, changed=True)

    def set_aside(self, table: Table, key: str) -> None:
        """Takes a damaged generation's manifest away: the partition is not there until it is built again."""
        if table.append_only:
            raise ImmutablePartition(f"{table.full_name} is append-only: restore it from a back-up")
        with self._locked(table, key):
            (self.folder(table, key) / MANIFEST_NAME).unlink(missing_ok=True)
            files.sync_folder(self.folder(table, key))

    def restore_part(self, table: Table, key: str, part: Part, rows: Iterable[pa.Table]) -> bool:
        """Puts a part back that the manifest names, if these rows give its bytes; else changes nothing."""
        with self._locked(table, key):
            made = self._write_part(table, self.folder(table, key), str(part.export), rows)
            if made.sha256 != part.sha256:
                (self.folder(table, key) / made.name).unlink()
            return made.sha256 == part.sha256

    def _make_current(self, table: Table) -> None:
        """The version built last is the one that the catalogue shows."""
        current = self.root / _safe(table.layer) / _safe(table.name) / CURRENT_VERSION_NAME
        if table.version and not (current.exists() and current.read_text() == table.version):
            files.replace_atomically(current, table.version.encode())

    def _write_empty_part(self, table: Table, folder: Path) -> Part:
        return PartWriter(folder, table.schema, label="part-empty").finish()

    def _write_part(self, table: Table, folder: Path, label: str, rows: Iterable[pa.Table]) -> Part:
        writer = PartWriter(folder, table.schema, label=f"part-{label[:12]}")
        try:
            for batch in rows:
                writer.write(batch)
            return writer.finish(export=label)
        except WriteInstead as given:
            writer.abandon()
            return self._write_part(table, folder, label, given.rows)
        except BaseException:
            writer.abandon()
            raise

    def _build(self, table: Table, folder: Path, digests: Digests, build: Build) -> Manifest:
        writer = PartitionWriter(folder, table)
        try:
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

    def _commit(self, folder: Path, old: Manifest | None, new: Manifest) -> None:
        if old is not None:
            # A part's time of last change says from now on when it was superseded; sweep() counts from it.
            for name in old.file_names - new.file_names:
                if (folder / name).exists():
                    (folder / name).touch()
        files.replace_atomically(folder / MANIFEST_NAME, new.encode())
        _sweep_folder(folder, keep=new.file_names, grace_seconds=GRACE_SECONDS)

    def sweep(self, table: Table, *, grace_seconds: float = GRACE_SECONDS) -> list[Path]:
        """Removes orphans of crashes and parts superseded longer ago than the grace period."""
        removed: list[Path] = []
        for folder in sorted(self.table_folder(table).glob("dt=*")):
            key = folder.name.removeprefix("dt=")
            if not SAFE_NAME.fullmatch(key):
                continue  # somebody's own folder
            with self._locked(table, key):
                manifest = self.manifest(table, key)
                keep = manifest.file_names if manifest else frozenset()
                removed += _sweep_folder(folder, keep=keep, grace_seconds=grace_seconds)
        home = self.root / table.layer / table.name
        for orphan in sorted(
            [*home.glob(f"{files.TEMPORARY_PREFIX}*"), *home.glob(f"_*/{files.TEMPORARY_PREFIX}*")]
        ):
            # No lock covers these (of _current, of raw copies): only age tells an orphan from a file at work.
            if _is_older(orphan, grace_seconds):
                orphan.unlink(missing_ok=True)
                removed.append(orphan)
        return removed

    @contextmanager
    def _locked(self, table: Table, key: str) -> Iterator[None]:
        name = "/".join(filter(None, (table.layer, table.name, table.version, key)))
        with files.exclusive_lock(self.root / ".locks" / f"{name}.lock"):
            files.make_folder(self.folder(table, key))
            yield


@lru_cache(maxsize=1_000)
def _table_folder(root: Path, layer: str, name: str, version: str | None) -> Path:
    """Asked for each of a table's days, several times a run."""
    folder = root / _safe(layer) / _safe(name)
    return folder / f"v={_safe(version)}" if version else folder


def _dated(folder: Path) -> list[str]:
    """The keys of the folder's partitions, materialized or not, ascending."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name[3:] for entry in entries if entry.name.startswith("dt="))
    except FileNotFoundError:
        return []


def _safe(name: str) -> str:
    if not SAFE_NAME.fullmatch(name) or ".." in name:
        raise ValueError(
            f"{name!r} can't name a folder of the store: use lower-case letters, digits, '_', '-', '.'"
        )
    return name


def _is_complete(folder: Path, manifest: Manifest) -> bool:
    """Whether every file that the manifest names is there: a rerun heals what was deleted."""
    return all(_is_there(folder, part) for part in manifest.files)


def _is_there(folder: Path, part: Part | None) -> bool:
    """Whether the part's file is there, at its size."""
    try:
        return part is not None and (folder / part.name).stat().st_size == part.size
    except FileNotFoundError:
        return False


def _is_older(path: Path, seconds: float) -> bool:
    try:
        return time.time() - path.stat().st_mtime > seconds
    except FileNotFoundError:
        return False


def _sweep_folder(folder: Path, *, keep: frozenset[str], grace_seconds: float) -> list[Path]:
    """Only the holder of the partition's lock writes here, so any temporary is an orphan of a crash."""
    removed = []
    for entry in os.scandir(folder):
        orphan = entry.name.startswith(files.TEMPORARY_PREFIX)
        superseded = (
            entry.name.endswith((".parquet", ".arrow"))
            and entry.name not in keep
            and _is_older(Path(entry.path), grace_seconds)
        )
        if orphan or superseded:
            Path(entry.path).unlink()
            removed.append(Path(entry.path))
    return removed
