"""Exports of sensitive sources: redacted before anything is stored, their files never kept.

Belongs here: redaction between reading and rendering, file names as they may be shown, errors that quote
neither. Does not: what is redacted and how (redact.py).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import msgspec
import pyarrow as pa

from medallion_assets.extract.ingest import ExportChanged
from medallion_assets.extract.inventory import Export
from medallion_assets.extract.raw import RawRecord
from medallion_assets.extract.redact import Redaction, salt_from_environment
from medallion_assets.records import Rejected, strict_json
from medallion_assets.storage.store import WriteInstead

# What says how a file is to be read. None of it is a top-level domain.
SUFFIXES = re.compile(r"(?:\.(?:jsonl|ndjson|json|csv|tsv|parquet|gz|zst))*\Z", re.IGNORECASE)


class RedactionFailed(RuntimeError):
    """Our own fault. What went wrong may quote the record, so only its kind and its place are told."""


def redacted_rows(
    export: Export, redaction: Redaction, read: Callable[..., Iterator[pa.Table]], *, source: str
) -> Iterator[pa.Table]:
    """The export's records as `read` renders them, but read in place and redacted on the way.

    Raises ExportChanged where the file is no longer what was seen, so that the rows so far are dropped.
    """
    salt = salt_from_environment(source) if redaction.hash else b""
    through = partial(_redacted, redaction=redaction, salt=salt)
    with paths_shown(lambda path: export.file):
        try:
            yield from read(export, export.path, through=through)
        except WriteInstead:
            _refuse_changed(export)  # else the quarantine would be another file's
            raise
        _refuse_changed(export)


@contextmanager
def paths_shown(shown: Callable[[str], str]) -> Iterator[None]:
    """What the operating system says quotes the path that it met; paths may name people."""
    try:
        yield
    except OSError as error:
        path = None if error.filename is None else shown(os.fsdecode(error.filename))
        raise OSError(error.errno, error.strerror or type(error).__name__, path) from None


def shown_path(file: str, redaction: Redaction) -> str:
    """The path with each of its parts masked by itself: to a detector, a slash is part of an address."""
    try:
        file.encode()
    except UnicodeEncodeError:  # the bytes that are no UTF-8 would end an address in its middle
        file = os.fsencode(file).decode("latin-1")
    return "/".join(_shown_part(part, redaction) for part in file.split("/"))


def _shown_part(part: str, redaction: Redaction) -> str:
    """The suffixes stay, since a container is recognised by them."""
    suffix = part[match.start() :] if (match := SUFFIXES.search(part)) else ""
    masked = redaction.name(redaction.name(part.removesuffix(suffix)) + suffix)
    return masked if masked.endswith(suffix) else masked + suffix


def _refuse_changed(export: Export) -> None:
    with export.path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != export.sha256:
            raise ExportChanged(f"{export.file} changed while it was read; it will be taken at the next run")


def _redacted(records: Iterator[RawRecord], *, redaction: Redaction, salt: bytes) -> Iterator[RawRecord]:
    for number, record in enumerate(records, 1):
        yield _withheld(record, record.defect) if record.defect else _one(record, number, redaction, salt)


def _one(record: RawRecord, number: int, redaction: Redaction, salt: bytes) -> RawRecord:
    """What can't be parsed can't be redacted field by field, so nothing of it is stored."""
    try:
        value = strict_json(record.raw.decode())
    except UnicodeDecodeError:
        return _withheld(record, "invalid_utf8")
    except Rejected as reject:
        return _withheld(record, reject.reason)
    try:
        return record._replace(raw=msgspec.json.encode(redaction.record(value, salt)))
    except Exception as error:
        raise RedactionFailed(
            f"record {number}, on line {record.line}, can't be redacted ({type(error).__name__}); nothing of "
            "its export is stored. Take the record out, or mend extract/redact.py"
        ) from None


def _withheld(record: RawRecord, defect: str) -> RawRecord:
    """The detail may quote the record, so only the reason code stays."""
    reason = defect.partition(": ")[0]
    return record._replace(raw=b"", defect=f"{reason}: the text is withheld, since the source is redacted")
